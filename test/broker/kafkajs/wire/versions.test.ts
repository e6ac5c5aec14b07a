import assert from 'node:assert/strict';
import { BytesReader, BytesWriter } from '#src/broker/kafkajs/wire/bytes.js';
import { knownTo } from '#src/broker/kafkajs/wire/request.js';
import { metadataRequest } from '#src/broker/kafkajs/wire/requests-topics.js';

/** An answer about one topic of one partition, as a broker of that version writes it. */
function answer(version: 8 | 10, id: string | null): Buffer {
  const to = new BytesWriter();
  const flexible = version === 10;
  const string = (text: string) => (flexible ? to.compactString(text) : to.string(text));
  const list = (items: readonly (() => void)[]) =>
    flexible ? to.compactArray(items, (write) => write()) : to.array(items, (write) => write());
  const end = () => flexible && to.noTags();
  const none = () => list([]);
  end();
  to.int32(0);
  list([() => [to.int32(7), string('host'), to.int32(9092), string('rack'), end()]]);
  string('cluster');
  to.int32(7);
  list([
    () => {
      to.int16(0);
      string('words');
      if (flexible) to.uuid(id);
      to.bool(false);
      list([() => [to.int16(0).int32(0).int32(7).int32(1), none(), none(), none(), end()]]);
      to.int32(24);
      end();
    },
  ]);
  return to.written;
}

const TOPIC = {
  error: 0,
  name: 'words',
  internal: false,
  partitions: [{ error: 0, partition: 0, leader: 7 }],
  allowed: 24,
};

describe('what brokers of several versions say of topics', () => {
  const request = metadataRequest(['words']);

  it('has the ids of topics where the broker knows them, and none where it gives none', () => {
    for (const id of ['00112233445566778899aabbccddeeff', null]) {
      const { controller, topics } = request.read(new BytesReader(answer(10, id)));
      assert.equal(controller, 7);
      assert.deepEqual(topics, [{ ...TOPIC, id: id ?? undefined }]);
    }
  });

  it('is asked for without ids where the broker does not know them', () => {
    const versions = (maxVersion: number) => ({ 3: { maxVersion } });
    assert.equal(knownTo(versions(10), request).apiVersion, 10);
    assert.equal(knownTo(versions(12), request).apiVersion, 10);
    assert.equal(knownTo(null, request).apiVersion, 10);
    const older = knownTo(versions(8), request);
    assert.equal(older.apiVersion, 8);
    assert.deepEqual(older.read(new BytesReader(answer(8, null))).topics, [{ ...TOPIC, id: undefined }]);
    const asked = older.write(new BytesWriter()).written;
    assert.deepEqual(asked, Buffer.from([0, 0, 0, 1, 0, 5, ...Buffer.from('words'), 0, 0, 1]));
  });
});
