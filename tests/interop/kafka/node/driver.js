// KafkaJS. usage: node driver.js HOST:PORT PREFIX [OPERATION...]
// A line per operation: `ok OP`, `failed OP: why`, `absent OP: why`. Topics and groups are named PREFIX-OP. NODE_PATH names where the packages are.
'use strict'

const { Kafka, CompressionCodecs, CompressionTypes, Partitioners, ConfigResourceTypes, logLevel } = require('kafkajs')

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
CompressionCodecs[CompressionTypes.LZ4] = () => ({ compress: encoder => lz4.compressFrame(encoder.buffer), decompress: buffer => lz4.decompressFrame(buffer) })
const zstd = require('@mongodb-js/zstd')
CompressionCodecs[CompressionTypes.ZSTD] = () => ({ compress: encoder => zstd.compress(encoder.buffer), decompress: buffer => zstd.decompress(buffer) })

const SECONDS = 45
const TRANSACTION_SECONDS = 10
const IF_ASKED = 'broker-killed'
const [bootstrap, prefix, ...wanted] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'interop', brokers: [bootstrap], logLevel: logLevel.NOTHING, requestTimeout: 15000 })
const admin = kafka.admin()
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

class Absent extends Error {}

const expect = (condition, what) => {
  if (!condition) throw new Error(what)
}
const sleep = ms => new Promise(done => setTimeout(done, ms))
const waitFor = async (condition, what) => {
  const end = Date.now() + 30000
  while (!(await condition())) {
    expect(Date.now() < end, `timed out: ${what}`)
    await sleep(50)
  }
}

// ---- steps ----

const create = (topic, numPartitions, configEntries = []) =>
  admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }], waitForLeaders: true })

const partitions = async topic => {
  const all = await admin.fetchTopicMetadata()
  const found = all.topics.find(t => t.name === topic)
  return found ? found.partitions.length : 0
}

const prepare = async (topic, count = 1) => {
  expect(await create(topic, count), 'not created')
  await waitFor(async () => (await partitions(topic)) === count, 'a topic created is in the metadata')
}

const config = async topic => {
  const answer = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] })
  return Object.fromEntries(answer.resources[0].configEntries.map(e => [e.configName, e.configValue]))
}

const numbered = (count, size = 0) =>
  Array.from({ length: count }, (_, i) => ({ value: Buffer.from(String(i).padStart(6, '0') + 'x'.repeat(size)), partition: 0 }))

const produce = async (topic, messages, { acks = -1, codec = 'none', idempotent = false, atOnce = Infinity } = {}) => {
  const producer = kafka.producer({ idempotent, createPartitioner: Partitioners.DefaultPartitioner, maxInFlightRequests: 1 })
  await producer.connect()
  try {
    const answers = []
    // It makes one batch of all that it is given.
    let batch = []
    let bytes = 0
    const send = async () => {
      if (batch.length) answers.push(...((await producer.send({ topic, messages: batch, acks, compression: CODECS[codec] })) || []))
      batch = []
      bytes = 0
    }
    for (const message of messages) {
      if (bytes + message.value.length > 950000 || batch.length >= atOnce) await send()
      batch.push(message)
      bytes += message.value.length + 30
    }
    await send()
    return answers
  } finally {
    await producer.disconnect()
  }
}

const member = async (group, topic, from) => {
  const consumer = kafka.consumer({ groupId: group, sessionTimeout: 10000, heartbeatInterval: 300, rebalanceTimeout: 10000, maxWaitTimeInMs: 200 })
  const m = { records: [], assigned: [], consumer }
  consumer.on(consumer.events.GROUP_JOIN, e => (m.assigned = (e.payload.memberAssignment[topic] || []).slice().sort()))
  consumer.on(consumer.events.REBALANCING, () => (m.assigned = []))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => m.records.push({ partition, offset: Number(message.offset), ...message, at: Number(message.offset) }),
  })
  if (from !== undefined) consumer.seek({ topic, partition: 0, offset: String(from) })
  return m
}

// It reads by groups alone: one of its own for each reading.
const consume = async (topic, count, from) => {
  const m = await member(`${topic}-read-${Math.random()}`, topic, from)
  try {
    await waitFor(() => m.records.length >= count && (from === undefined || m.records.some(r => r.at >= from)), `${count} records are read`)
    const read = from === undefined ? m.records : m.records.filter(r => r.at >= from)
    return read.sort((a, b) => a.partition - b.partition || a.at - b.at)
  } finally {
    await m.consumer.disconnect()
  }
}

const same = (read, sent) => {
  expect(read.length === sent.length, `${read.length} records of ${sent.length}`)
  read.forEach((r, i) => expect(r.at === i && r.value.equals(sent[i].value), `record ${i}: offset ${r.at}, ${r.value.subarray(0, 20)}`))
}

const produced = async (topic, messages, options = {}) => {
  await prepare(topic)
  const answers = await produce(topic, messages, options)
  if (options.acks !== 0) expect(answers.length && answers[0].baseOffset === '0', `acknowledged: ${JSON.stringify(answers[0])}`)
  same(await consume(topic, messages.length), messages)
}

const offsets = async topic => {
  const [found] = await admin.fetchTopicOffsets(topic)
  return [Number(found.low), Number(found.high)]
}

// ---- operations ----

const groups = async name => {
  await prepare(name)
  await produce(name, numbered(5))
  const m = await member(name, name)
  try {
    await waitFor(() => m.records.length === 5, 'the member reads')
    expect((await admin.listGroups()).groups.some(g => g.groupId === name), 'the group is not listed')
    const [found] = (await admin.describeGroups([name])).groups
    expect(found.state === 'Stable' && found.members.length === 1, `the group: ${found.state}`)
  } finally {
    await m.consumer.disconnect()
  }
  await waitFor(async () => (await admin.describeGroups([name])).groups[0].state === 'Empty', 'the group is empty')
}

const operations = {
  create: async name => {
    await create(name, 3, [{ name: 'retention.ms', value: '3600000' }])
    await waitFor(async () => (await partitions(name)) === 3, '3 partitions')
    expect((await create(name, 3)) === false, 'a topic that exists was created again')
  },
  list: async name => {
    await prepare(name)
    await waitFor(async () => (await admin.listTopics()).includes(name), 'the topic is listed')
  },
  describe: async name => {
    await prepare(name, 2)
    const found = await config(name)
    for (const key of ['retention.ms', 'cleanup.policy', 'max.message.bytes']) expect(found[key], `no ${key}`)
    expect((await admin.describeCluster()).brokers.length === 1, 'brokers')
  },
  alter: async name => {
    await prepare(name)
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries: [{ name: 'retention.ms', value: '7200000' }] }],
    })
    await waitFor(async () => (await config(name))['retention.ms'] === '7200000', 'retention.ms as altered')
  },
  partitions: async name => {
    await prepare(name)
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: 4 }] })
    await waitFor(async () => (await partitions(name)) === 4, '4 partitions')
  },
  delete: async name => {
    await prepare(name)
    await admin.deleteTopics({ topics: [name] })
    await waitFor(async () => !(await admin.listTopics()).includes(name), 'the topic is gone')
  },
}
for (const [acks, value] of [['0', 0], ['1', 1], ['all', -1]]) operations[`acks-${acks}`] = name => produced(name, numbered(100), { acks: value })
for (const codec of Object.keys(CODECS)) operations[`codec-${codec}`] = name => produced(name, numbered(300, 100), { codec })
Object.assign(operations, {
  keys: async name => {
    await prepare(name, 3)
    await produce(name, Array.from({ length: 70 }, (_, i) => ({ key: `key-${i % 7}`, value: `v${i}` })))
    const where = {}
    for (const r of await consume(name, 70)) {
      const key = r.key.toString()
      expect(where[key] === undefined || where[key] === r.partition, `${key} is in two partitions`)
      where[key] = r.partition
    }
    expect(Object.keys(where).length === 7, `keys: ${Object.keys(where)}`)
  },
  headers: async name => {
    await prepare(name)
    const headers = { trace: Buffer.from([0, 1, 255]), empty: Buffer.alloc(0), several: [Buffer.from('a'), Buffer.from('b')] }
    await produce(name, [{ value: Buffer.from('with'), headers, partition: 0 }])
    const [read] = await consume(name, 1)
    const pairs = h => Object.entries(h).map(([k, v]) => [k, [].concat(v).map(b => b.toString('hex'))])
    expect(JSON.stringify(pairs(read.headers)) === JSON.stringify(pairs(headers)), `headers read: ${JSON.stringify(pairs(read.headers))}`)
  },
  idempotent: name => produced(name, numbered(500), { idempotent: true }),
  large: name => produced(name, [...numbered(3, 900000), ...numbered(2000, 500)]),
  assign: async () => {
    throw new Absent('it reads by groups alone')
  },
  seek: async name => {
    await prepare(name)
    await produce(name, numbered(100))
    const read = await consume(name, 50, 50)
    expect(read.length === 50 && read[0].at === 50, `from offset 50: ${read.length} records from ${read[0].at}`)
  },
  offsets: async name => {
    await prepare(name)
    await produce(name, numbered(42))
    expect(String(await offsets(name)) === '0,42', `earliest and latest: ${await offsets(name)}`)
  },
  'seek-time': async name => {
    await prepare(name)
    const base = Date.now() - 200000
    await produce(name, numbered(100).map((m, i) => ({ ...m, timestamp: String(base + i * 1000) })), { codec: 'gzip' })
    for (const [at, offset] of [[-5000, 0], [49500, 50], [99000, 99]]) {
      const [found] = await admin.fetchTopicOffsetsByTimestamp(name, base + at)
      expect(Number(found.offset) === offset, `at ${at} ms: offset ${found.offset} in place of ${offset}`)
    }
  },
  group: async name => {
    await prepare(name, 3)
    for (const partition of [0, 1, 2]) await produce(name, numbered(20).map(m => ({ ...m, partition })))
    expect((await consume(name, 60)).length === 60, 'more than 60 records')
  },
  commit: async name => {
    await prepare(name)
    for (const [from, count] of [[0, 50], [50, 10]]) {
      await produce(name, numbered(count))
      const m = await member(name, name)
      try {
        await waitFor(() => m.records.length >= count, `${count} records are read`)
        expect(m.records[0].at === from, `the first record has offset ${m.records[0].at} in place of ${from}`)
        await m.consumer.commitOffsets([{ topic: name, partition: 0, offset: String(from + count) }])
      } finally {
        await m.consumer.disconnect()
      }
      const [found] = await admin.fetchOffsets({ groupId: name, topics: [name] })
      expect(found.partitions[0].offset === String(from + count), `committed: ${JSON.stringify(found)}`)
    }
  },
  rebalance: async name => {
    await prepare(name, 4)
    const first = await member(name, name)
    try {
      await waitFor(() => String(first.assigned) === '0,1,2,3', 'the first member has all partitions')
      const second = await member(name, name)
      try {
        await waitFor(
          () => first.assigned.length === 2 && String(first.assigned.concat(second.assigned).sort()) === '0,1,2,3',
          'two members share the partitions'
        )
      } finally {
        await second.consumer.disconnect()
      }
      await waitFor(() => String(first.assigned) === '0,1,2,3', 'the one that stays has all partitions again')
    } finally {
      await first.consumer.disconnect()
    }
  },
  groups,
  'delete-group': async name => {
    await groups(name)
    await admin.deleteGroups([name])
    expect(!(await admin.listGroups()).groups.some(g => g.groupId === name), 'the group is still listed')
  },
  'delete-records': async name => {
    await prepare(name)
    await produce(name, numbered(100))
    await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '40' }] })
    await waitFor(async () => String(await offsets(name)) === '40,100', 'earliest 40, latest 100')
  },
  transaction: async name => {
    await prepare(name)
    const start = Date.now()
    const producer = kafka.producer({ transactionalId: name, idempotent: true, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner })
    try {
      await producer.connect()
      const transaction = await producer.transaction()
      await transaction.send({ topic: name, messages: [{ value: 'in a transaction' }] })
      await transaction.commit()
    } catch (error) {
      expect(Date.now() - start < TRANSACTION_SECONDS * 1000, `it took ${Date.now() - start} ms to fail: ${error}`)
      // It looks for the coordinator first, and drops what the broker says about transactions then: kafkajs 2.2.4, src/cluster/brokerPool.js:277.
      expect(error.name === 'KafkaJSGroupCoordinatorNotFound', `another error: ${error}`)
      return
    } finally {
      await producer.disconnect().catch(() => {})
    }
    throw new Error('a transaction was committed')
  },
})

// Whoever runs this kills the broker meanwhile and starts it again, several times.
operations[IF_ASKED] = async name => {
  await prepare(name)
  const m = await member(name, name)
  try {
    const sent = numbered(1200)
    await produce(name, sent, { idempotent: true, atOnce: 10 }) // each waits for its commit, 100 ms
    await waitFor(() => new Set(m.records.map(r => String(r.value))).size === sent.length, "the group's member reads all")
    same((await consume(name, (await offsets(name))[1])), sent)
  } finally {
    await m.consumer.disconnect()
  }
}

const run = async () => {
  await admin.connect()
  let code = 0
  for (const [name, operation] of Object.entries(operations)) {
    if (wanted.length ? !wanted.includes(name) : name === IF_ASKED) continue
    let timer
    const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`not done after ${SECONDS} s`)), SECONDS * 1000)))
    try {
      await Promise.race([operation(`${prefix}-${name}`), late])
      console.log(`ok ${name}`)
    } catch (error) {
      const why = String(error.message || error).replace(/\n/g, ' ')
      if (error instanceof Absent) console.log(`absent ${name}: ${why}`)
      else {
        console.log(`failed ${name}: ${why}`)
        code = 1
      }
    } finally {
      clearTimeout(timer)
    }
  }
  process.exit(code)
}

run().catch(error => {
  console.log(`failed connect: ${error}`)
  process.exit(1)
})
