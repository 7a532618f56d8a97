package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type franz struct {
	seed  string
	admin *kadm.Client
}

func newFranz(bootstrap string) (client, error) {
	base, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &franz{bootstrap, kadm.NewClient(base)}, nil
}

func (f *franz) create(ctx context.Context, topic string, partitions int, config map[string]string) error {
	set := map[string]*string{}
	for key, value := range config {
		set[key] = &value
	}
	_, err := f.admin.CreateTopic(ctx, int32(partitions), 1, set, topic)
	return err
}

func (f *franz) topics(ctx context.Context) (map[string]int, error) {
	found, err := f.admin.ListTopics(ctx)
	all := map[string]int{}
	for name, detail := range found {
		all[name] = len(detail.Partitions)
	}
	return all, err
}

func (f *franz) config(ctx context.Context, topic string) (map[string]string, error) {
	found, err := f.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	one, err := found.On(topic, nil)
	all := map[string]string{}
	for _, c := range one.Configs {
		all[c.Key] = c.MaybeValue()
	}
	return all, err
}

func (f *franz) alter(ctx context.Context, topic, key, value string) error {
	answers, err := f.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, topic)
	if err != nil {
		return err
	}
	one, err := answers.On(topic, nil)
	if err != nil {
		return err
	}
	return one.Err
}

func (f *franz) addPartitions(ctx context.Context, topic string, total int) error {
	answers, err := f.admin.UpdatePartitions(ctx, total, topic)
	if err != nil {
		return err
	}
	return answers.Error()
}

func (f *franz) delete(ctx context.Context, topic string) error {
	_, err := f.admin.DeleteTopic(ctx, topic)
	return err
}

func (f *franz) produce(ctx context.Context, topic string, records []record, options producing) ([]int64, error) {
	codec := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[options.codec]
	acks := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[options.acks]
	with := []kgo.Opt{kgo.SeedBrokers(f.seed), kgo.ProducerBatchCompression(codec), kgo.RequiredAcks(acks), kgo.ProducerLinger(5 * time.Millisecond)}
	if !options.idempotent {
		with = append(with, kgo.DisableIdempotentWrite())
	}
	if options.partition >= 0 {
		with = append(with, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	producer, err := kgo.NewClient(with...)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var sent []*kgo.Record
	for _, r := range records {
		one := &kgo.Record{Topic: topic, Key: r.key, Value: r.value, Timestamp: r.time, Partition: max(options.partition, 0)}
		for _, h := range r.headers {
			one.Headers = append(one.Headers, kgo.RecordHeader{Key: h.key, Value: h.value})
		}
		sent = append(sent, one)
	}
	err = spread(sent, options.spread, func(part []*kgo.Record) error { return producer.ProduceSync(ctx, part...).FirstErr() })
	if err != nil || options.acks == "0" || options.partition < 0 {
		return nil, err
	}
	var offsets []int64
	for _, r := range sent {
		offsets = append(offsets, r.Offset)
	}
	return offsets, nil
}

func fromFranz(r *kgo.Record) record {
	one := record{key: r.Key, value: r.Value, time: r.Timestamp, partition: r.Partition, offset: r.Offset}
	for _, h := range r.Headers {
		one.headers = append(one.headers, header{h.Key, h.Value})
	}
	return one
}

func (f *franz) consume(ctx context.Context, topic string, partition int32, offset int64, count int) ([]record, error) {
	consumer, err := kgo.NewClient(kgo.SeedBrokers(f.seed), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var read []record
	for len(read) < count {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%d records of %d: %w", len(read), count, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { read = append(read, fromFranz(r)) })
	}
	return read, nil
}

func (f *franz) offsets(ctx context.Context, topic string, partition int32) (int64, int64, error) {
	starts, err := f.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	ends, err := f.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	start, _ := starts.Lookup(topic, partition)
	end, _ := ends.Lookup(topic, partition)
	if start.Err != nil {
		return 0, 0, start.Err
	}
	return start.Offset, end.Offset, end.Err
}

func (f *franz) offsetAt(ctx context.Context, topic string, partition int32, at time.Time) (int64, error) {
	found, err := f.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic)
	if err != nil {
		return 0, err
	}
	one, _ := found.Lookup(topic, partition)
	return one.Offset, one.Err
}

type franzMember struct {
	gathered
	client *kgo.Client
	done   chan struct{}
}

func (f *franz) join(_ context.Context, group, topic string) (member, error) {
	m := &franzMember{done: make(chan struct{})}
	change := func(held bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			m.with(func() {
				for _, p := range topics[topic] {
					if held {
						m.assigned[p] = true
					} else {
						delete(m.assigned, p)
					}
				}
			})
		}
	}
	var err error
	m.client, err = kgo.NewClient(kgo.SeedBrokers(f.seed), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(300*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.OnPartitionsAssigned(change(true)),
		kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(m.done)
		for {
			fetches := m.client.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			m.with(func() {
				m.err = fetches.Err()
				fetches.EachRecord(func(r *kgo.Record) { m.records = append(m.records, fromFranz(r)) })
			})
		}
	}()
	return m, nil
}

func (m *franzMember) close(commit bool) (err error) {
	if commit {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		err = m.client.CommitUncommittedOffsets(ctx)
	}
	m.client.Close()
	<-m.done
	return err
}

func (f *franz) committed(ctx context.Context, group, topic string, partition int32) (int64, error) {
	found, err := f.admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0, err
	}
	one, there := found.Lookup(topic, partition)
	if !there {
		return -1, nil
	}
	return one.At, one.Err
}

func (f *franz) groups(ctx context.Context) ([]string, error) {
	found, err := f.admin.ListGroups(ctx)
	return found.Groups(), err
}

func (f *franz) groupState(ctx context.Context, group string) (string, error) {
	found, err := f.admin.DescribeGroups(ctx, group)
	if err != nil {
		return "", err
	}
	return found[group].State, found[group].Err
}

func (f *franz) deleteGroup(ctx context.Context, group string) error {
	_, err := f.admin.DeleteGroup(ctx, group)
	return err
}

func (f *franz) deleteRecords(ctx context.Context, topic string, partition int32, offset int64) error {
	upTo := kadm.Offsets{}
	upTo.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset})
	answers, err := f.admin.DeleteRecords(ctx, upTo)
	if err != nil {
		return err
	}
	return answers.Error()
}

func (f *franz) transaction(ctx context.Context, topic, id string) error {
	producer, err := kgo.NewClient(kgo.SeedBrokers(f.seed), kgo.TransactionalID(id))
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.BeginTransaction(); err != nil {
		return err
	}
	if err := producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("in a transaction")}).FirstErr(); err != nil {
		return err
	}
	return producer.EndTransaction(ctx, kgo.TryCommit)
}
