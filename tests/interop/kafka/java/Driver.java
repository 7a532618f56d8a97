// Kafka's own Java client, one source for 3.9 and 4.x. usage: java Driver HOST:PORT PREFIX [OPERATION...]
// A line per operation: `ok OP`, `failed OP: why`. Topics and groups are named PREFIX-OP.
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;

public class Driver {
    interface Operation { void run(String name) throws Exception; }

    static final int SECONDS = 45, TRANSACTION_SECONDS = 10;
    static String bootstrap;
    static Admin admin;

    static void expect(boolean condition, String what) {
        if (!condition) throw new IllegalStateException(what);
    }

    interface Condition { boolean holds() throws Exception; }

    static void waitFor(Condition condition, String what) throws Exception {
        long end = System.nanoTime() + 30_000_000_000L;
        while (!condition.holds()) {
            expect(System.nanoTime() < end, "timed out: " + what);
            Thread.sleep(50);
        }
    }

    static <T> T done(org.apache.kafka.common.KafkaFuture<T> future) throws Exception {
        try {
            return future.get(30, TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            throw (Exception) error.getCause();
        }
    }

    // ---- steps ----

    static void create(String topic, int partitions, Map<String, String> config) throws Exception {
        done(admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(config))).all());
    }

    static void prepare(String topic, int partitions) throws Exception {
        create(topic, partitions, Map.of());
        waitFor(() -> partitions(topic) == partitions, "a topic created is in the metadata");
    }

    static int partitions(String topic) throws Exception {
        try {
            return done(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size();
        } catch (org.apache.kafka.common.errors.UnknownTopicOrPartitionException error) {
            return 0;
        }
    }

    static Set<String> topics() throws Exception { return done(admin.listTopics().names()); }

    static String config(String topic, String key) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var entry = done(admin.describeConfigs(List.of(resource)).all()).get(resource).get(key);
        return entry == null ? null : entry.value();
    }

    static Map<String, Object> client(Object... pairs) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) config.put((String) pairs[i], pairs[i + 1]);
        return config;
    }

    static List<ProducerRecord<byte[], byte[]>> numbered(String topic, Integer partition, int count, int size) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < count; i++) records.add(new ProducerRecord<>(topic, partition, null, bytes(String.format("%06d", i) + "x".repeat(size))));
        return records;
    }

    static byte[] bytes(String text) { return text.getBytes(StandardCharsets.ISO_8859_1); }

    static List<Long> produce(Iterable<ProducerRecord<byte[], byte[]>> records, Object... options) throws Exception {
        var config = client(options);
        config.putIfAbsent("linger.ms", "5");
        config.put("max.request.size", "1040000");
        List<Long> offsets = new ArrayList<>();
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (var record : records) sent.add(producer.send(record));
            producer.flush();
            for (var future : sent) offsets.add(future.get(30, TimeUnit.SECONDS).offset());
        }
        return offsets;
    }

    static KafkaConsumer<byte[], byte[]> consumer(Object... options) {
        var config = client(options);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<ConsumerRecord<byte[], byte[]>> consume(String topic, int partition, long offset, int count) {
        try (var consumer = consumer()) {
            var where = new TopicPartition(topic, partition);
            consumer.assign(List.of(where));
            consumer.seek(where, offset);
            List<ConsumerRecord<byte[], byte[]>> read = new ArrayList<>();
            long end = System.nanoTime() + 30_000_000_000L;
            while (read.size() < count) {
                expect(System.nanoTime() < end, read.size() + " records of " + count + " within 30 s");
                for (var record : consumer.poll(Duration.ofMillis(500))) read.add(record);
            }
            return read;
        }
    }

    static void expectSame(List<ConsumerRecord<byte[], byte[]>> read, List<ProducerRecord<byte[], byte[]>> sent) {
        expect(read.size() == sent.size(), read.size() + " records of " + sent.size());
        for (int i = 0; i < sent.size(); i++) {
            expect(read.get(i).offset() == i, "record " + i + " has offset " + read.get(i).offset());
            expect(Arrays.equals(read.get(i).value(), sent.get(i).value()), "record " + i + " differs");
        }
    }

    static void produced(String topic, List<ProducerRecord<byte[], byte[]>> records, Object... options) throws Exception {
        prepare(topic, 1);
        var offsets = produce(records, options);
        if (!Arrays.asList(options).contains("0")) {
            for (int i = 0; i < offsets.size(); i++) expect(offsets.get(i) == i, "offset acknowledged: " + offsets.get(i) + " in place of " + i);
        }
        expectSame(consume(topic, 0, 0, records.size()), records);
    }

    static List<Long> offsets(String topic) throws Exception {
        var where = new TopicPartition(topic, 0);
        return List.of(done(admin.listOffsets(Map.of(where, OffsetSpec.earliest())).all()).get(where).offset(),
                       done(admin.listOffsets(Map.of(where, OffsetSpec.latest())).all()).get(where).offset());
    }

    // A member of a group, polled by a thread of its own.
    static class Member implements AutoCloseable {
        final List<ConsumerRecord<byte[], byte[]>> records = Collections.synchronizedList(new ArrayList<>());
        volatile Set<Integer> assigned = Set.of();
        volatile boolean ended, commits;
        volatile Exception error;
        final Thread thread;

        Member(String group, Object... options) {
            var all = new ArrayList<Object>(List.of("group.id", group));
            all.addAll(options.length == 0 ? List.of("session.timeout.ms", "10000", "heartbeat.interval.ms", "300") : List.of(options));
            thread = new Thread(() -> {
                try (var consumer = consumer(all.toArray())) {
                    consumer.subscribe(List.of(group));
                    while (!ended) {
                        for (var record : consumer.poll(Duration.ofMillis(200))) records.add(record);
                        Set<Integer> now = new TreeSet<>();
                        for (var p : consumer.assignment()) now.add(p.partition());
                        assigned = now;
                    }
                    if (commits) consumer.commitSync(Duration.ofSeconds(20));
                } catch (Exception failed) {
                    error = failed;
                }
            });
            thread.setDaemon(true);
            thread.start();
        }

        Set<Integer> partitions() throws Exception {
            if (error != null) throw error;
            return assigned;
        }

        public void close() throws Exception {
            ended = true;
            thread.join(30_000);
            if (error != null) throw error;
        }
    }

    // ---- operations ----

    static final String IF_ASKED = "broker-killed";
    static final Map<String, Operation> OPERATIONS = new LinkedHashMap<>();

    static {
        OPERATIONS.put("create", name -> {
            create(name, 3, Map.of("retention.ms", "3600000"));
            waitFor(() -> partitions(name) == 3, "3 partitions");
            try {
                create(name, 3, Map.of());
            } catch (org.apache.kafka.common.errors.TopicExistsException expected) {
                return;
            }
            throw new IllegalStateException("a topic that exists was created again");
        });
        OPERATIONS.put("auto-create", name -> {
            var records = numbered(name, null, 10, 0);
            produce(records);
            expectSame(consume(name, 0, 0, 10), records);
        });
        OPERATIONS.put("list", name -> {
            prepare(name, 1);
            waitFor(() -> topics().contains(name), "the topic is listed");
        });
        OPERATIONS.put("describe", name -> {
            prepare(name, 2);
            for (var key : List.of("retention.ms", "cleanup.policy", "max.message.bytes")) expect(config(name, key) != null, "no " + key);
            var cluster = admin.describeCluster();
            expect(done(cluster.nodes()).size() == 1 && done(cluster.controller()) != null, "nodes and controller");
        });
        OPERATIONS.put("alter", name -> {
            prepare(name, 1);
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
            var set = new AlterConfigOp(new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET);
            done(admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all());
            waitFor(() -> config(name, "retention.ms").equals("7200000"), "retention.ms as altered");
        });
        OPERATIONS.put("partitions", name -> {
            prepare(name, 1);
            done(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(4))).all());
            waitFor(() -> partitions(name) == 4, "4 partitions");
        });
        OPERATIONS.put("delete", name -> {
            prepare(name, 1);
            done(admin.deleteTopics(List.of(name)).all());
            waitFor(() -> !topics().contains(name), "the topic is gone");
        });
        for (var acks : List.of("0", "1", "all"))
            OPERATIONS.put("acks-" + acks, name -> produced(name, numbered(name, null, 100, 0), "acks", acks, "enable.idempotence", "false"));
        for (var codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            OPERATIONS.put("codec-" + codec, name -> produced(name, numbered(name, null, 300, 100), "compression.type", codec));
        OPERATIONS.put("keys", name -> {
            prepare(name, 3);
            List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
            for (int i = 0; i < 70; i++) records.add(new ProducerRecord<>(name, bytes("key-" + i % 7), i == 69 ? null : bytes("v" + i)));
            produce(records);
            Map<String, Set<Integer>> partitionsOf = new HashMap<>();
            try (var consumer = consumer()) {
                consumer.assign(List.of(new TopicPartition(name, 0), new TopicPartition(name, 1), new TopicPartition(name, 2)));
                consumer.seekToBeginning(consumer.assignment());
                int read = 0, empty = 0;
                long end = System.nanoTime() + 30_000_000_000L;
                while (read < 70 && System.nanoTime() < end) {
                    for (var record : consumer.poll(Duration.ofMillis(500))) {
                        read++;
                        if (record.value() == null) empty++;
                        partitionsOf.computeIfAbsent(new String(record.key()), k -> new TreeSet<>()).add(record.partition());
                    }
                }
                expect(read == 70 && empty == 1, read + " records, " + empty + " without a value");
            }
            expect(partitionsOf.size() == 7 && partitionsOf.values().stream().allMatch(p -> p.size() == 1), "partitions by key: " + partitionsOf);
        });
        OPERATIONS.put("headers", name -> {
            prepare(name, 1);
            var record = new ProducerRecord<>(name, bytes("k"), bytes("with"));
            record.headers().add("trace", new byte[] {0, 1, -1}).add("empty", new byte[0]).add("null", null).add("trace", bytes("again"));
            produce(List.of(record));
            Header[] read = consume(name, 0, 0, 1).get(0).headers().toArray();
            expect(Arrays.equals(read, record.headers().toArray()), "headers read: " + Arrays.toString(read));
        });
        OPERATIONS.put("idempotent", name -> produced(name, numbered(name, null, 500, 0), "enable.idempotence", "true", "batch.size", "200", "acks", "all"));
        OPERATIONS.put("large", name -> {
            var records = numbered(name, null, 3, 900_000);
            records.addAll(numbered(name, null, 2000, 500));
            produced(name, records, "batch.size", "500000", "linger.ms", "50");
        });
        OPERATIONS.put("assign", name -> {
            prepare(name, 1);
            produce(numbered(name, null, 100, 0));
            var read = consume(name, 0, 50, 50);
            for (int i = 0; i < 50; i++) expect(read.get(i).offset() == 50 + i, "record " + i + " has offset " + read.get(i).offset());
        });
        OPERATIONS.put("offsets", name -> {
            prepare(name, 1);
            produce(numbered(name, null, 42, 0));
            expect(offsets(name).equals(List.of(0L, 42L)), "earliest and latest: " + offsets(name));
            var where = new TopicPartition(name, 0);
            var newest = done(admin.listOffsets(Map.of(where, OffsetSpec.maxTimestamp())).all()).get(where);
            expect(newest.offset() >= 0 && newest.offset() < 42, "offset of the newest timestamp: " + newest.offset());
        });
        OPERATIONS.put("seek-time", name -> {
            prepare(name, 1);
            long base = System.currentTimeMillis() - 200_000;
            List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
            for (int i = 0; i < 100; i++) records.add(new ProducerRecord<>(name, 0, base + i * 1000, null, bytes("" + i)));
            produce(records, "compression.type", "gzip");
            var where = new TopicPartition(name, 0);
            try (var consumer = consumer()) {
                for (long[] pair : new long[][] {{-5000, 0}, {49_500, 50}, {99_000, 99}}) {
                    var found = consumer.offsetsForTimes(Map.of(where, base + pair[0])).get(where);
                    expect(found != null && found.offset() == pair[1], "at " + pair[0] + " ms: " + found);
                }
                expect(consumer.offsetsForTimes(Map.of(where, base + 150_000)).get(where) == null, "past the end");
            }
        });
        OPERATIONS.put("group", name -> group(name));
        OPERATIONS.put("commit", name -> {
            prepare(name, 1);
            produce(numbered(name, null, 50, 0));
            try (var member = new Member(name)) {
                waitFor(() -> !member.partitions().isEmpty() && member.records.size() >= 50, "the first member reads 50 records");
                member.commits = true;
            }
            var where = new TopicPartition(name, 0);
            var committed = done(admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata()).get(where);
            expect(committed != null && committed.offset() == 50, "committed: " + committed);
            produce(numbered(name, null, 10, 0));
            try (var member = new Member(name)) {
                waitFor(() -> !member.partitions().isEmpty() && member.records.size() >= 10, "the second member reads 10 records");
                expect(member.records.get(0).offset() == 50, "the second member begins at " + member.records.get(0).offset());
            }
            done(admin.alterConsumerGroupOffsets(name, Map.of(where, new OffsetAndMetadata(7, "moved"))).all());
            committed = done(admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata()).get(where);
            expect(committed.offset() == 7 && committed.metadata().equals("moved"), "committed after the reset: " + committed);
        });
        OPERATIONS.put("rebalance", name -> rebalance(name));
        OPERATIONS.put("rebalance-cooperative", name -> rebalance(name, "partition.assignment.strategy", CooperativeStickyAssignor.class.getName(),
                                                                  "session.timeout.ms", "10000", "heartbeat.interval.ms", "300"));
        OPERATIONS.put("static-member", name -> {
            prepare(name, 1);
            produce(numbered(name, null, 5, 0));
            try (var member = new Member(name, "group.instance.id", "one", "session.timeout.ms", "10000", "heartbeat.interval.ms", "300")) {
                waitFor(() -> member.partitions().equals(Set.of(0)) && member.records.size() == 5, "the member reads");
                var found = done(admin.describeConsumerGroups(List.of(name)).all()).get(name).members().iterator().next();
                expect(found.groupInstanceId().equals(Optional.of("one")), "instance: " + found.groupInstanceId());
            }
        });
        OPERATIONS.put(IF_ASKED, name -> brokerKilled(name));
        OPERATIONS.put("groups", name -> groups(name));
        OPERATIONS.put("delete-group", name -> {
            groups(name);
            done(admin.deleteConsumerGroups(List.of(name)).all());
            waitFor(() -> done(admin.listConsumerGroups().all()).stream().noneMatch(g -> g.groupId().equals(name)), "the group is gone");
        });
        OPERATIONS.put("delete-offsets", name -> {
            prepare(name, 1);
            var where = new TopicPartition(name, 0);
            done(admin.alterConsumerGroupOffsets(name, Map.of(where, new OffsetAndMetadata(1))).all());
            done(admin.deleteConsumerGroupOffsets(name, Set.of(where)).all());
            expect(done(admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata()).get(where) == null, "the offset is still there");
        });
        OPERATIONS.put("delete-records", name -> {
            prepare(name, 1);
            produce(numbered(name, null, 100, 0));
            done(admin.deleteRecords(Map.of(new TopicPartition(name, 0), RecordsToDelete.beforeOffset(40))).all());
            waitFor(() -> offsets(name).equals(List.of(40L, 100L)), "earliest is 40, latest 100");
        });
        OPERATIONS.put("log-dirs", name -> {
            prepare(name, 1);
            produce(numbered(name, null, 10, 0));
            var dirs = done(admin.describeLogDirs(List.of(done(admin.describeCluster().nodes()).iterator().next().id())).allDescriptions());
            boolean there = dirs.values().stream().flatMap(d -> d.values().stream()).anyMatch(d -> d.replicaInfos().containsKey(new TopicPartition(name, 0)));
            expect(there, "the partition is in no directory");
        });
        OPERATIONS.put("transaction", name -> {
            prepare(name, 1);
            long start = System.nanoTime();
            try (var producer = new KafkaProducer<>(client("transactional.id", name, "max.block.ms", "30000"), new ByteArraySerializer(), new ByteArraySerializer())) {
                producer.initTransactions();
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(name, bytes("in a transaction")));
                producer.commitTransaction();
            } catch (Exception error) {
                expect((System.nanoTime() - start) / 1e9 < TRANSACTION_SECONDS, "it took too long to fail: " + error);
                expect(error.toString().toLowerCase().contains("transaction"), "the error does not name it: " + error);
                return;
            }
            throw new IllegalStateException("a transaction was committed");
        });
    }

    static void group(String name, Object... options) throws Exception {
        prepare(name, 3);
        for (int partition = 0; partition < 3; partition++) produce(numbered(name, partition, 20, 0));
        try (var member = new Member(name, options)) {
            waitFor(() -> member.partitions().equals(Set.of(0, 1, 2)) && member.records.size() >= 60, "a member reads 60 records of 3 partitions");
            expect(member.records.size() == 60, member.records.size() + " records");
        }
    }

    static void rebalance(String name, Object... options) throws Exception {
        prepare(name, 4);
        var every = Set.of(0, 1, 2, 3);
        try (var first = new Member(name, options)) {
            waitFor(() -> first.partitions().equals(every), "the first member has all partitions");
            try (var second = new Member(name, options)) {
                waitFor(() -> {
                    Set<Integer> both = new TreeSet<>(first.partitions());
                    both.addAll(second.partitions());
                    return both.equals(every) && first.partitions().size() == 2 && second.partitions().size() == 2;
                }, "two members share the partitions");
            }
            waitFor(() -> first.partitions().equals(every), "the one that stays has all partitions again");
        }
    }

    // Whoever runs this kills the broker meanwhile and starts it again, several times.
    static void brokerKilled(String name) throws Exception {
        prepare(name, 1);
        var sent = numbered(name, null, 1200, 0);
        try (var member = new Member(name)) {
            produce(() -> sent.stream().peek(record -> {
                try {
                    Thread.sleep(10);
                } catch (InterruptedException ended) {
                    throw new IllegalStateException(ended);
                }
            }).iterator());
            waitFor(() -> member.partitions().equals(Set.of(0)) && member.records.stream().map(r -> new String(r.value())).distinct().count() == sent.size(), "the group's member reads all");
        }
        expectSame(consume(name, 0, 0, (int) (long) offsets(name).get(1)), sent);
    }

    static void groups(String name) throws Exception {
        prepare(name, 1);
        produce(numbered(name, null, 5, 0));
        try (var member = new Member(name)) {
            waitFor(() -> member.partitions().equals(Set.of(0)) && member.records.size() == 5, "the member reads");
            expect(done(admin.listConsumerGroups().all()).stream().anyMatch(g -> g.groupId().equals(name)), "the group is not listed");
            var found = done(admin.describeConsumerGroups(List.of(name)).all()).get(name);
            expect(found.state().toString().equals("Stable") && found.members().size() == 1, "the group: " + found);
            expect(found.members().iterator().next().assignment().topicPartitions().equals(Set.of(new TopicPartition(name, 0))), "its assignment: " + found);
        }
        waitFor(() -> done(admin.describeConsumerGroups(List.of(name)).all()).get(name).state().toString().equals("Empty"), "the group is empty");
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        var wanted = Arrays.asList(arguments).subList(2, arguments.length);
        var pool = Executors.newCachedThreadPool(task -> {
            var thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
        admin = Admin.create(client("default.api.timeout.ms", "30000", "request.timeout.ms", "15000"));
        int code = 0;
        for (var entry : OPERATIONS.entrySet()) {
            if (wanted.isEmpty() ? entry.getKey().equals(IF_ASKED) : !wanted.contains(entry.getKey())) continue;
            String why = null;
            Future<?> run = pool.submit(() -> {
                entry.getValue().run(arguments[1] + "-" + entry.getKey());
                return null;
            });
            try {
                run.get(SECONDS, TimeUnit.SECONDS);
            } catch (TimeoutException error) {
                run.cancel(true);
                why = "not done after " + SECONDS + " s";
            } catch (ExecutionException error) {
                why = String.valueOf(error.getCause() instanceof IllegalStateException ? error.getCause().getMessage() : error.getCause());
            }
            if (why != null) code = 1;
            System.out.println(why == null ? "ok " + entry.getKey() : "failed " + entry.getKey() + ": " + why.replace('\n', ' '));
        }
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }
}
