// Messages as Kafka's own generated classes write them: lines "name version kind hex", for every API and version of apis.def, and for what lies in
// __consumer_offsets and in the metadata of consumers, whose bytes begin with their version. How it was run: README.md.
// Kinds: default (nothing is set), full (every field set, distinct numbers, two items in each array), null (the same, with all null that may be),
// tagged (full, and with the tagged fields that the broker does not know: it must read what full says).
import java.lang.reflect.Constructor;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.regex.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.record.MemoryRecords;

public class Vectors {
    static final Set<String> KNOWN_TAGGED = Set.of("FetchRequestData.cluster_id", "FetchRequestData.replica_state", "FetchPartition.replica_directory_id", "OffsetCommitValue.topic_id");

    final String kind;
    int counter = 0;
    boolean leftOut = false;

    Vectors(String kind) { this.kind = kind; }

    static String camel(String snake) {
        StringBuilder out = new StringBuilder();
        for (String word : snake.split("_")) out.append(out.length() == 0 ? word : word.substring(0, 1).toUpperCase() + word.substring(1));
        return out.toString();
    }

    static Class<?> itemClass(java.lang.reflect.Field field) {
        if (field.getGenericType() instanceof ParameterizedType list) return (Class<?>) list.getActualTypeArguments()[0];
        return (Class<?>) ((ParameterizedType) field.getType().getGenericSuperclass()).getActualTypeArguments()[0];
    }

    Object scalar(Class<?> type) {
        int c = ++counter;
        if (type == boolean.class) return true;
        if (type == byte.class || type == Byte.class) return (byte) (c & 0x7f);
        if (type == short.class || type == Short.class) return (short) (0x0100 + c);
        if (type == int.class || type == Integer.class) return 0x01020300 + c;
        if (type == long.class || type == Long.class) return 0x0102030405060700L + c;
        if (type == String.class) return "s" + c;
        if (type == Uuid.class) return new Uuid(0x1112131415161700L + c, 0x2122232425262700L + c);
        byte[] bytes = {(byte) c, 1, 2};
        if (type == byte[].class) return bytes;
        if (type == ByteBuffer.class) return ByteBuffer.wrap(bytes);
        return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
    }

    Object item(Class<?> type, Type of) throws Exception {
        if (!(of instanceof Schema schema)) return scalar(type);
        Constructor<?> make = type.getDeclaredConstructor();
        make.setAccessible(true);
        Object value = make.newInstance();
        fill(value, schema);
        return value;
    }

    void set(Object message, Field def) throws Exception {
        java.lang.reflect.Field field = message.getClass().getDeclaredField(camel(def.name));
        field.setAccessible(true);
        if (kind.equals("null") && def.type.isNullable()) {
            field.set(message, null);
        } else if (def.type.isArray()) {
            Type of = def.type.arrayElementType().get();
            Collection<Object> items = field.getType() == List.class ? new ArrayList<>() : collection(field.getType());
            for (int i = 0; i < 2; ++i) items.add(item(itemClass(field), of));
            field.set(message, items);
        } else {
            field.set(message, item(field.getType(), def.type));
        }
    }

    @SuppressWarnings("unchecked")
    static Collection<Object> collection(Class<?> type) throws Exception { return (Collection<Object>) type.getDeclaredConstructor(int.class).newInstance(2); }

    // 3.9 tells them to nobody.
    @SuppressWarnings("unchecked")
    static Collection<Field> fieldsOf(TaggedFields tags) throws Exception {
        java.lang.reflect.Field fields = TaggedFields.class.getDeclaredField("fields");
        fields.setAccessible(true);
        return ((Map<Integer, Field>) fields.get(tags)).values();
    }

    void fill(Object message, Schema schema) throws Exception {
        for (BoundField bound : schema.fields()) {
            if (!(bound.def.type instanceof TaggedFields tags)) {
                set(message, bound.def);
                continue;
            }
            for (Field def : fieldsOf(tags)) {
                boolean known = KNOWN_TAGGED.contains(message.getClass().getSimpleName() + "." + def.name);
                int before = counter;
                if (known || kind.equals("tagged")) set(message, def);
                if (known) continue;
                counter = before;  // so that the other fields are those of full
                leftOut = true;
            }
        }
    }

    static byte[] write(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return buffer.array();
    }

    static void print(String name, short version, String kind, boolean prefixed, byte[] bytes) {
        StringBuilder hex = new StringBuilder(prefixed ? String.format("%04x", version) : "");
        for (byte b : bytes) hex.append(String.format("%02x", b));
        System.out.println((name + " " + version + " " + kind + " " + hex).stripTrailing());
    }

    // Of versions that these classes know and that are not `done`.
    static void message(String name, String className, int lowest, int highest, boolean prefixed, Set<String> done) throws Exception {
        Class<?> type;
        try { type = Class.forName(className); } catch (ClassNotFoundException e) { return; }
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        for (short version = (short) lowest; version <= highest && version < schemas.length; ++version) {
            if (schemas[version] == null || done.contains(name + " " + version)) continue;
            boolean tagged = false;
            for (String kind : List.of("default", "full", "null", "tagged")) {
                Message message = (Message) type.getDeclaredConstructor().newInstance();
                Vectors filler = new Vectors(kind);
                if (kind.equals("tagged") && !tagged) continue;
                if (!kind.equals("default")) filler.fill(message, schemas[version]);
                tagged |= filler.leftOut;
                print(name, version, kind, prefixed, write(message, version));
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Set<String> done = new HashSet<>();
        for (String line : args.length > 1 ? Files.readAllLines(Path.of(args[1])) : List.<String>of()) done.add(line.split(" ")[0] + " " + line.split(" ")[1]);
        Matcher rows = Pattern.compile("RIVULET_KAFKA_API\\((\\d+), (\\w+), (\\d+), (\\d+), \\d+\\)").matcher(Files.readString(Path.of(args[0])));
        while (rows.find()) {
            int lowest = Integer.parseInt(rows.group(3));
            int highest = Integer.parseInt(rows.group(4));
            ApiKeys api = ApiKeys.forId(Integer.parseInt(rows.group(1)));
            for (String end : List.of("Request", "Response"))
                message(rows.group(2) + "_" + end.toLowerCase(), "org.apache.kafka.common.message." + api.name + end + "Data", lowest, highest, false, done);
        }
        String records = "org.apache.kafka.coordinator.group.generated.";
        message("offset_commit_key", records + "OffsetCommitKey", 0, 1, true, done);
        message("group_metadata_key", records + "GroupMetadataKey", 2, 2, true, done);
        message("offset_commit_value", records + "OffsetCommitValue", 0, 4, true, done);
        message("group_metadata_value", records + "GroupMetadataValue", 0, 4, true, done);
        message("consumer_protocol_subscription", "org.apache.kafka.common.message.ConsumerProtocolSubscription", 0, 3, true, done);
        message("consumer_protocol_assignment", "org.apache.kafka.common.message.ConsumerProtocolAssignment", 0, 3, true, done);
    }
}
