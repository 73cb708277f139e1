package bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The job in Kafka Streams' Processor API; the argument is the store, `rocksdb` or `memory`. */
public final class KafkaStreamsJob {
  private static final String STORE = "cells";

  public static void main(String[] arguments) {
    boolean inMemory = arguments[0].equals("memory");
    KeyValueBytesStoreSupplier store =
        inMemory ? Stores.inMemoryKeyValueStore(STORE) : Stores.persistentKeyValueStore(STORE);
    Topology topology = new Topology();
    topology.addSource(
        "usage", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), Run.TOPIC);
    topology.addProcessor("fold", Fold::new, "usage");
    topology.addStateStore(
        // With its cache a store writes a cell once a commit to the changelog, not once an event.
        Stores.keyValueStoreBuilder(store, Serdes.String(), counters())
            .withCachingEnabled()
            .withLoggingEnabled(Map.of()),
        "fold");
    KafkaStreams streams = new KafkaStreams(topology, properties());
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Properties properties() {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, Run.GROUP);
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Run.BOOTSTRAP);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, Run.STATE);
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Run.workers());
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 128L << 20);
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000);
    return properties;
  }

  /** One event at a time. */
  private static final class Fold implements Processor<byte[], byte[], Void, Void> {
    private KeyValueStore<String, long[]> cells;
    private boolean began;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      cells = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (!began) {
        began = true;
        Run.began();
      }
      UsageEvent event;
      try {
        event = UsageEvent.parse(record.value());
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      long[] counters = cells.get(event.cell);
      if (counters == null) {
        counters = new long[UsageEvent.COUNTERS];
      }
      event.addTo(counters);
      cells.put(event.cell, counters);
    }
  }

  /** Counters as big-endian 64-bit integers, one after the other. */
  private static Serde<long[]> counters() {
    Serializer<long[]> write =
        (topic, counters) -> {
          if (counters == null) {
            return null;
          }
          ByteBuffer buffer = ByteBuffer.allocate(Long.BYTES * UsageEvent.COUNTERS);
          buffer.asLongBuffer().put(counters);
          return buffer.array();
        };
    Deserializer<long[]> read =
        (topic, bytes) -> {
          if (bytes == null) {
            return null;
          }
          long[] counters = new long[UsageEvent.COUNTERS];
          ByteBuffer.wrap(bytes).asLongBuffer().get(counters);
          return counters;
        };
    return Serdes.serdeFrom(write, read);
  }
}
