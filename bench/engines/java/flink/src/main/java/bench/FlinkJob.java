package bench;

import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.KeyedProcessOperator;
import org.apache.flink.util.Collector;

/**
 * The job in Flink's DataStream API on a mini cluster. Arguments: the state backend, `hashmap` or
 * `rocksdb`, and, to print the cells of a checkpoint instead of running, its directory.
 */
public final class FlinkJob {
  private static final String CELLS = "cells";
  private static final TypeInformation<long[]> COUNTERS =
      PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO;

  public static void main(String[] arguments) throws Exception {
    Configuration configuration = new Configuration();
    configuration.set(StateBackendOptions.STATE_BACKEND, arguments[0]);
    configuration.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(512));
    if (arguments.length > 1) {
      show(configuration, arguments[1]);
    } else {
      run(configuration);
    }
  }

  private static void run(Configuration configuration) throws Exception {
    configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(1));
    configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + Run.STATE);
    configuration.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
    configuration.set(
        CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
        ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
    StreamExecutionEnvironment environment = environment(configuration, Run.workers());
    KafkaSource<UsageEvent> usage =
        KafkaSource.<UsageEvent>builder()
            .setBootstrapServers(Run.BOOTSTRAP)
            .setTopics(Run.TOPIC)
            .setGroupId(Run.GROUP)
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new Read())
            .build();
    environment
        .fromSource(usage, WatermarkStrategy.noWatermarks(), "usage")
        .keyBy(event -> event.cell)
        .process(new Fold())
        .uid(CELLS)
        .sinkTo(new DiscardingSink<>());
    environment.execute("bench");
  }

  /** Restores a checkpoint and prints every cell that is in it. */
  private static void show(Configuration configuration, String checkpoint) throws Exception {
    configuration.set(StateRecoveryOptions.SAVEPOINT_PATH, checkpoint);
    configuration.set(StateRecoveryOptions.SAVEPOINT_IGNORE_UNCLAIMED_STATE, true);
    StreamExecutionEnvironment environment = environment(configuration, 1);
    environment
        .fromData(TypeInformation.of(UsageEvent.class), new UsageEvent())
        .filter(event -> event.cell != null)
        .keyBy(event -> event.cell)
        .transform(CELLS, TypeInformation.of(String.class), new Show(new Fold()))
        .uid(CELLS)
        .sinkTo(new DiscardingSink<>());
    environment.execute("show");
  }

  private static StreamExecutionEnvironment environment(Configuration configuration, int workers) {
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    environment.setParallelism(workers);
    environment.setMaxParallelism(128);
    environment.getConfig().enableObjectReuse();
    return environment;
  }

  /** JSON to what the job needs of it. */
  private static final class Read implements DeserializationSchema<UsageEvent> {
    private transient boolean began;

    @Override
    public UsageEvent deserialize(byte[] value) throws IOException {
      if (!began) {
        began = true;
        Run.began();
      }
      return UsageEvent.parse(value);
    }

    @Override
    public boolean isEndOfStream(UsageEvent event) {
      return false;
    }

    @Override
    public TypeInformation<UsageEvent> getProducedType() {
      return TypeInformation.of(UsageEvent.class);
    }
  }

  /** One event at a time. */
  private static final class Fold extends KeyedProcessFunction<String, UsageEvent, String> {
    private transient ValueState<long[]> cell;

    @Override
    public void open(OpenContext context) {
      cell = getRuntimeContext().getState(new ValueStateDescriptor<>(CELLS, COUNTERS));
    }

    @Override
    public void processElement(UsageEvent event, Context context, Collector<String> out)
        throws IOException {
      long[] counters = cell.value();
      if (counters == null) {
        counters = new long[UsageEvent.COUNTERS];
      }
      event.addTo(counters);
      cell.update(counters);
    }
  }

  /** Prints the state that it was given, once there is no more input. */
  private static final class Show extends KeyedProcessOperator<String, UsageEvent, String>
      implements BoundedOneInput {
    Show(Fold fold) {
      super(fold);
    }

    @Override
    public void endInput() throws Exception {
      ValueStateDescriptor<long[]> descriptor = new ValueStateDescriptor<>(CELLS, COUNTERS);
      ValueState<long[]> cell = getPartitionedState(descriptor);
      StringBuilder lines = new StringBuilder();
      for (Object key :
          (Iterable<Object>)
              getKeyedStateBackend().getKeys(CELLS, VoidNamespace.INSTANCE)::iterator) {
        setCurrentKey(key);
        lines.append("cell ").append(key);
        for (long counter : cell.value()) {
          lines.append(' ').append(counter);
        }
        lines.append('\n');
      }
      System.out.print(lines);
      System.out.flush();
    }
  }
}
