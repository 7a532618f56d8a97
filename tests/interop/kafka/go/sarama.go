package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

type saramaClient struct {
	seed  []string
	admin sarama.ClusterAdmin
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.Return.Successes = true
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Metadata.RefreshFrequency = time.Second
	return config
}

func newSarama(bootstrap string) (client, error) {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	return &saramaClient{[]string{bootstrap}, admin}, err
}

func (s *saramaClient) create(_ context.Context, topic string, partitions int, config map[string]string) error {
	set := map[string]*string{}
	for key, value := range config {
		set[key] = &value
	}
	return s.admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1, ConfigEntries: set}, false)
}

func (s *saramaClient) topics(context.Context) (map[string]int, error) {
	found, err := s.admin.ListTopics()
	all := map[string]int{}
	for name, detail := range found {
		all[name] = int(detail.NumPartitions)
	}
	return all, err
}

func (s *saramaClient) config(_ context.Context, topic string) (map[string]string, error) {
	found, err := s.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	all := map[string]string{}
	for _, entry := range found {
		all[entry.Name] = entry.Value
	}
	return all, err
}

func (s *saramaClient) alter(_ context.Context, topic, key, value string) error {
	return s.admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
		key: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false)
}

func (s *saramaClient) addPartitions(_ context.Context, topic string, total int) error {
	return s.admin.CreatePartitions(topic, int32(total), nil, false)
}

func (s *saramaClient) delete(_ context.Context, topic string) error {
	return s.admin.DeleteTopic(topic)
}

func (s *saramaClient) produce(_ context.Context, topic string, records []record, options producing) ([]int64, error) {
	config := saramaConfig()
	config.Producer.Compression = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}[options.codec]
	config.Producer.RequiredAcks = map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll}[options.acks]
	config.Producer.Partitioner = sarama.NewHashPartitioner
	if options.partition >= 0 {
		config.Producer.Partitioner = sarama.NewManualPartitioner
	}
	if options.idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
		config.Producer.Retry.Max = 50 // 100 ms apart
	}
	producer, err := sarama.NewSyncProducer(s.seed, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var sent []*sarama.ProducerMessage
	for _, r := range records {
		one := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(r.value), Timestamp: r.time, Partition: max(options.partition, 0)}
		if r.key != nil {
			one.Key = sarama.ByteEncoder(r.key)
		}
		for _, h := range r.headers {
			one.Headers = append(one.Headers, sarama.RecordHeader{Key: []byte(h.key), Value: h.value})
		}
		sent = append(sent, one)
	}
	err = spread(sent, options.spread, producer.SendMessages)
	var each sarama.ProducerErrors
	if errors.As(err, &each) {
		err = each[0].Err
	}
	if err != nil || options.acks == "0" || options.partition < 0 {
		return nil, err
	}
	var offsets []int64
	for _, one := range sent {
		offsets = append(offsets, one.Offset)
	}
	return offsets, nil
}

func fromSarama(m *sarama.ConsumerMessage) record {
	one := record{key: m.Key, value: m.Value, time: m.Timestamp, partition: m.Partition, offset: m.Offset}
	for _, h := range m.Headers {
		one.headers = append(one.headers, header{string(h.Key), h.Value})
	}
	return one
}

func (s *saramaClient) consume(ctx context.Context, topic string, partition int32, offset int64, count int) ([]record, error) {
	consumer, err := sarama.NewConsumer(s.seed, saramaConfig())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, offset)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var read []record
	for len(read) < count {
		select {
		case m := <-reader.Messages():
			read = append(read, fromSarama(m))
		case failure := <-reader.Errors():
			return nil, failure
		case <-ctx.Done():
			return nil, fmt.Errorf("%d records of %d: %w", len(read), count, ctx.Err())
		}
	}
	return read, nil
}

func (s *saramaClient) at(topic string, partition int32, times ...int64) ([]int64, error) {
	base, err := sarama.NewClient(s.seed, saramaConfig())
	if err != nil {
		return nil, err
	}
	defer base.Close()
	var all []int64
	for _, at := range times {
		offset, err := base.GetOffset(topic, partition, at)
		if err != nil {
			return nil, err
		}
		all = append(all, offset)
	}
	return all, nil
}

func (s *saramaClient) offsets(_ context.Context, topic string, partition int32) (int64, int64, error) {
	both, err := s.at(topic, partition, sarama.OffsetOldest, sarama.OffsetNewest)
	if err != nil {
		return 0, 0, err
	}
	return both[0], both[1], nil
}

func (s *saramaClient) offsetAt(_ context.Context, topic string, partition int32, at time.Time) (int64, error) {
	one, err := s.at(topic, partition, at.UnixMilli())
	if err != nil {
		return 0, err
	}
	return one[0], nil
}

type saramaMember struct {
	gathered
	group   sarama.ConsumerGroup
	cancel  context.CancelFunc
	done    chan struct{}
	session sarama.ConsumerGroupSession
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.with(func() {
		m.session = session
		for _, partitions := range session.Claims() {
			for _, p := range partitions {
				m.assigned[p] = true
			}
		}
	})
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error {
	m.with(func() { clear(m.assigned) })
	return nil
}

func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		m.with(func() { m.records = append(m.records, fromSarama(message)) })
		session.MarkMessage(message, "")
	}
	return nil
}

func (s *saramaClient) join(_ context.Context, group, topic string) (member, error) {
	config := saramaConfig()
	joined, err := sarama.NewConsumerGroup(s.seed, group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &saramaMember{group: joined, cancel: cancel, done: make(chan struct{})}
	go func() {
		for failure := range joined.Errors() {
			m.with(func() { m.err = failure })
		}
	}()
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			if err := joined.Consume(ctx, []string{topic}, m); err != nil {
				m.with(func() { m.err = err })
				time.Sleep(step)
			}
		}
	}()
	return m, nil
}

func (m *saramaMember) close(commit bool) error {
	if commit {
		var session sarama.ConsumerGroupSession
		m.with(func() { session = m.session })
		session.Commit()
	}
	m.cancel()
	<-m.done
	return m.group.Close()
}

func (s *saramaClient) committed(_ context.Context, group, topic string, partition int32) (int64, error) {
	found, err := s.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {partition}})
	if err != nil {
		return 0, err
	}
	block := found.GetBlock(topic, partition)
	if block == nil {
		return -1, nil
	}
	if block.Err != sarama.ErrNoError {
		return -1, block.Err
	}
	return block.Offset, nil
}

func (s *saramaClient) groups(context.Context) ([]string, error) {
	found, err := s.admin.ListConsumerGroups()
	var all []string
	for name := range found {
		all = append(all, name)
	}
	return all, err
}

func (s *saramaClient) groupState(_ context.Context, group string) (string, error) {
	found, err := s.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return "", err
	}
	if found[0].Err != sarama.ErrNoError {
		return "", found[0].Err
	}
	return found[0].State, nil
}

func (s *saramaClient) deleteGroup(_ context.Context, group string) error {
	return s.admin.DeleteConsumerGroup(group)
}

func (s *saramaClient) deleteRecords(_ context.Context, topic string, partition int32, offset int64) error {
	return s.admin.DeleteRecords(topic, map[int32]int64{partition: offset})
}

func (s *saramaClient) transaction(_ context.Context, topic, id string) error {
	config := saramaConfig()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.ID = id
	producer, err := sarama.NewSyncProducer(s.seed, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.BeginTxn(); err != nil {
		return err
	}
	if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("in a transaction")}); err != nil {
		return err
	}
	return producer.CommitTxn()
}
