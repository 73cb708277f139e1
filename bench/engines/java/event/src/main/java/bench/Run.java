package bench;

import java.util.concurrent.atomic.AtomicBoolean;

/** What the harness tells an engine by environment, and the line by which it learns of the first record. */
public final class Run {
  private static final AtomicBoolean BEGAN = new AtomicBoolean();

  public static final String BOOTSTRAP = System.getenv("BENCH_BOOTSTRAP");
  public static final String TOPIC = System.getenv("BENCH_TOPIC");
  public static final String GROUP = System.getenv("BENCH_GROUP");
  public static final String STATE = System.getenv("BENCH_STATE");

  private Run() {}

  public static int workers() {
    return Integer.parseInt(System.getenv("BENCH_WORKERS"));
  }

  /** Called when a thread has its first record; the earliest of the process counts. */
  public static void began() {
    if (BEGAN.compareAndSet(false, true)) {
      System.out.println("first record at " + System.currentTimeMillis());
    }
  }
}
