package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

type kafkaGo struct {
	seed  string
	admin *kafka.Client
}

func newKafkaGo(bootstrap string) (client, error) {
	return &kafkaGo{bootstrap, &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 20 * time.Second}}, nil
}

func (k *kafkaGo) create(ctx context.Context, topic string, partitions int, config map[string]string) error {
	detail := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	for key, value := range config {
		detail.ConfigEntries = append(detail.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	answer, err := k.admin.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{detail}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (k *kafkaGo) topics(ctx context.Context) (map[string]int, error) {
	found, err := k.admin.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	all := map[string]int{}
	for _, topic := range found.Topics {
		all[topic.Name] = len(topic.Partitions)
	}
	return all, nil
}

func (k *kafkaGo) config(ctx context.Context, topic string) (map[string]string, error) {
	found, err := k.admin.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}}})
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, entry := range found.Resources[0].ConfigEntries {
		all[entry.ConfigName] = entry.ConfigValue
	}
	return all, found.Resources[0].Error
}

func (k *kafkaGo) alter(ctx context.Context, topic, key, value string) error {
	answer, err := k.admin.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil {
		return err
	}
	return answer.Resources[0].Error
}

func (k *kafkaGo) addPartitions(ctx context.Context, topic string, total int) error {
	answer, err := k.admin.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(total)}}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (k *kafkaGo) delete(ctx context.Context, topic string) error {
	answer, err := k.admin.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

func (k *kafkaGo) produce(ctx context.Context, topic string, records []record, options producing) ([]int64, error) {
	if options.idempotent {
		return nil, errAbsent
	}
	codec := map[string]compress.Compression{"none": compress.None, "gzip": compress.Gzip, "snappy": compress.Snappy, "lz4": compress.Lz4, "zstd": compress.Zstd}[options.codec]
	acks := map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne, "all": kafka.RequireAll}[options.acks]
	writer := &kafka.Writer{Addr: kafka.TCP(k.seed), Topic: topic, Compression: codec, RequiredAcks: acks, BatchTimeout: 5 * time.Millisecond, BatchBytes: 1_040_000, Balancer: &kafka.Hash{}}
	if options.partition >= 0 {
		writer.Balancer = kafka.BalancerFunc(func(kafka.Message, ...int) int { return int(options.partition) })
	}
	var sent []kafka.Message
	for _, r := range records {
		one := kafka.Message{Key: r.key, Value: r.value, Time: r.time}
		for _, h := range r.headers {
			one.Headers = append(one.Headers, kafka.Header{Key: h.key, Value: h.value})
		}
		sent = append(sent, one)
	}
	err := spread(sent, options.spread, func(part []kafka.Message) error { return writer.WriteMessages(ctx, part...) })
	return nil, errors.Join(err, writer.Close())
}

func fromKafkaGo(m kafka.Message) record {
	one := record{key: m.Key, value: m.Value, time: m.Time, partition: int32(m.Partition), offset: m.Offset}
	for _, h := range m.Headers {
		one.headers = append(one.headers, header{h.Key, h.Value})
	}
	return one
}

func (k *kafkaGo) consume(ctx context.Context, topic string, partition int32, offset int64, count int) ([]record, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{k.seed}, Topic: topic, Partition: int(partition), MaxWait: 500 * time.Millisecond, MaxBytes: 4 << 20})
	defer reader.Close()
	if err := reader.SetOffset(offset); err != nil {
		return nil, err
	}
	var read []record
	for len(read) < count {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return nil, fmt.Errorf("%d records of %d: %w", len(read), count, err)
		}
		read = append(read, fromKafkaGo(m))
	}
	return read, nil
}

func (k *kafkaGo) listed(ctx context.Context, topic string, wanted ...kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	found, err := k.admin.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: wanted}})
	if err != nil {
		return kafka.PartitionOffsets{}, err
	}
	return found.Topics[topic][0], found.Topics[topic][0].Error
}

func (k *kafkaGo) offsets(ctx context.Context, topic string, partition int32) (int64, int64, error) {
	both, err := k.listed(ctx, topic, kafka.FirstOffsetOf(int(partition)), kafka.LastOffsetOf(int(partition)))
	return both.FirstOffset, both.LastOffset, err
}

func (k *kafkaGo) offsetAt(ctx context.Context, topic string, partition int32, at time.Time) (int64, error) {
	found, err := k.listed(ctx, topic, kafka.TimeOffsetOf(int(partition), at))
	if err != nil {
		return 0, err
	}
	for offset := range found.Offsets {
		return offset, nil
	}
	return -1, nil
}

// Its Reader does not say which partitions it has, its ConsumerGroup does: read with one Reader for each of them, and committed at its end: each commit waits for its sync.
type kafkaGoMember struct {
	gathered
	group  *kafka.ConsumerGroup
	cancel context.CancelFunc
	done   chan struct{}
}

func (k *kafkaGo) join(_ context.Context, group, topic string) (member, error) {
	joined, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: group, Brokers: []string{k.seed}, Topics: []string{topic}, HeartbeatInterval: 300 * time.Millisecond,
		SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 200 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &kafkaGoMember{group: joined, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for {
			generation, err := joined.Next(ctx)
			if ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed) {
				return
			}
			if err != nil {
				continue
			}
			m.with(func() {
				clear(m.assigned)
				for _, p := range generation.Assignments[topic] {
					m.assigned[int32(p.ID)] = true
				}
			})
			for _, p := range generation.Assignments[topic] {
				generation.Start(func(ctx context.Context) { m.readPartition(ctx, k.seed, topic, p, generation) })
			}
			generation.Start(func(ctx context.Context) { <-ctx.Done() })
		}
	}()
	return m, nil
}

func (m *kafkaGoMember) readPartition(ctx context.Context, seed, topic string, p kafka.PartitionAssignment, generation *kafka.Generation) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{seed}, Topic: topic, Partition: p.ID, MaxWait: 200 * time.Millisecond})
	defer reader.Close()
	offset := p.Offset
	if err := reader.SetOffset(offset); err != nil {
		m.with(func() { m.err = err })
		return
	}
	for {
		message, err := reader.ReadMessage(ctx)
		if errors.Is(err, kafka.ErrGenerationEnded) || errors.Is(err, io.EOF) || ctx.Err() != nil {
			return
		}
		if err != nil {
			m.with(func() { m.err = err })
			continue
		}
		if message.Offset+1 >= message.HighWaterMark {
			err = generation.CommitOffsets(map[string]map[int]int64{topic: {p.ID: message.Offset + 1}})
		}
		m.with(func() {
			m.err = err
			m.records = append(m.records, fromKafkaGo(message))
		})
	}
}

func (m *kafkaGoMember) close(bool) error {
	m.cancel()
	err := m.group.Close()
	<-m.done
	return err
}

func (k *kafkaGo) committed(ctx context.Context, group, topic string, partition int32) (int64, error) {
	found, err := k.admin.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {int(partition)}}})
	if err != nil {
		return 0, err
	}
	one := found.Topics[topic][0]
	return one.CommittedOffset, errors.Join(found.Error, one.Error)
}

func (k *kafkaGo) groups(ctx context.Context) ([]string, error) {
	found, err := k.admin.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, group := range found.Groups {
		all = append(all, group.GroupID)
	}
	return all, found.Error
}

func (k *kafkaGo) groupState(ctx context.Context, group string) (string, error) {
	found, err := k.admin.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return "", err
	}
	return found.Groups[0].GroupState, found.Groups[0].Error
}

func (k *kafkaGo) deleteGroup(ctx context.Context, group string) error {
	answer, err := k.admin.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return answer.Errors[group]
}

func (k *kafkaGo) deleteRecords(context.Context, string, int32, int64) error { return errAbsent }

func (k *kafkaGo) transaction(ctx context.Context, _, id string) error {
	answer, err := k.admin.InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: id, TransactionTimeoutMs: 10_000})
	if err != nil {
		return err
	}
	return answer.Error
}
