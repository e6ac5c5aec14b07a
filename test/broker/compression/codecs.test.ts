import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import type { Codec } from '#src/broker/compression/codec.js';
import { loadCodec, unpack } from '#src/broker/compression/codecs.js';
import { loadZstd } from '#src/broker/compression/zstd.js';
import type { BrokerRecord } from '#src/broker/port.js';
import { checksum } from '#src/broker/record-batch/checksum.js';
import { compressionsIn, decodeHead, decodeRecords } from '#src/broker/record-batch/decoder.js';
import { RecordBatchEncoder } from '#src/broker/record-batch/encoder.js';
import { FIELD, LENGTH_PREFIX_BYTES } from '#src/broker/record-batch/format.js';
import { Headers } from '#src/model/headers.js';
import { fails } from '../contract.support.js';

const LIMIT = 16 * 1024 * 1024;
const PLACE = { topic: 'payments', partition: 3 };

/** The codecs by the code that Kafka gives them; Zstandard twice: as this Node has it, and by the package. */
const codecs: readonly { readonly title: string; readonly code: number; readonly load: () => Promise<Codec> }[] = [
  { title: 'gzip', code: 1, load: () => loadCodec('gzip') },
  { title: 'snappy', code: 2, load: () => loadCodec('snappy') },
  { title: 'lz4', code: 3, load: () => loadCodec('lz4') },
  { title: 'zstd', code: 4, load: () => loadCodec('zstd') },
  { title: 'zstd of @bokuweb/zstd-wasm', code: 4, load: () => loadZstd({}) },
];

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
/** Short and long, random and repeating: what packs well, and what does not at all. */
const contents = fc.oneof(
  bytes(60),
  fc.tuple(bytes(12), fc.nat(9_000)).map(([part, times]) => Buffer.concat(Array.from({ length: times }, () => part))),
);
const records = fc.array(
  fc.record({
    key: fc.option(bytes(20), { nil: null }),
    value: fc.option(contents, { nil: null }),
    timestamp: fc.nat(2 ** 31),
    headers: fc.array(fc.tuple(fc.string({ maxLength: 5 }), fc.option(bytes(9), { nil: null })), { maxLength: 2 }),
  }),
  { minLength: 1, maxLength: 20 },
);

function decode(batch: Buffer, codec: Codec): readonly BrokerRecord[] {
  const context = { ...PLACE, decompress: (_code: number, packed: Buffer) => Buffer.from(codec.unpack(packed, LIMIT)) };
  const decoded: BrokerRecord[] = [];
  decodeRecords(batch, 0, decodeHead(batch, 0, context), context, 0, decoded);
  return decoded;
}

/** A batch of three records, well compressible, with those bytes in place of its compressed ones and the right checksum. */
function batchOf(code: number, packed: Uint8Array): Buffer {
  const encoder = new RecordBatchEncoder();
  for (let i = 0; i < 3; i++) encoder.add(null, Buffer.alloc(100, i), 1_700_000_000_000, Headers.none);
  const batch = Buffer.concat([encoder.finish({ baseOffset: 42 }).subarray(0, FIELD.records), packed]);
  batch.writeInt32BE(batch.length - LENGTH_PREFIX_BYTES, FIELD.batchLength);
  batch.writeInt16BE(code, FIELD.attributes);
  batch.writeUInt32BE(checksum(batch.subarray(FIELD.attributes)), FIELD.checksum);
  return batch;
}

for (const { title, code, load } of codecs) {
  describe(`a record batch compressed with ${title}`, () => {
    let codec: Codec;
    before(async () => {
      codec = await load();
    });

    it('gives back every record, whatever is in it', () => {
      const encoder = new RecordBatchEncoder();
      fc.assert(
        fc.property(records, (input) => {
          for (const { key, value, timestamp, headers } of input)
            encoder.add(key, value, timestamp, new Headers(headers));
          const batch = encoder.finish({ codec });
          assert.deepEqual(
            decode(batch, codec).map(({ key, value, timestamp, headers }) => ({
              key,
              value,
              timestamp,
              headers: headers.entries.map(([name, content]) => [name, content && Buffer.from(content)]),
            })),
            input.map(({ headers, ...record }) => ({
              ...record,
              headers: headers.map(([name, content]) => [name, content]),
            })),
          );
        }),
        { numRuns: 100 },
      );
    });

    it('is smaller, and says how it is compressed', () => {
      const encoder = new RecordBatchEncoder();
      for (let i = 0; i < 1_000; i++)
        encoder.add(Buffer.from(`key ${i}`), Buffer.from('{"amount":1}'), i, Headers.none);
      const size = encoder.size;
      const batch = encoder.finish({ codec });
      assert.ok(batch.length < size / 2, `${batch.length} of ${size} bytes`);
      assert.deepEqual([...compressionsIn(Buffer.concat([batch, batch]))], [code]);
    });

    it('stays as it is if compression would make it larger', () => {
      const encoder = new RecordBatchEncoder();
      encoder.add(null, Buffer.from('x'), 1, Headers.none);
      const batch = encoder.finish({ codec });
      assert.deepEqual([...compressionsIn(batch)], []);
      assert.equal(decode(batch, codec)[0]?.value?.toString(), 'x');
    });

    it('of any bytes behind a valid head is decoded or LOG_CORRUPT; nothing else is thrown', () => {
      const good = Buffer.from(codec.pack(Buffer.concat([Buffer.alloc(2_000, 7), Buffer.from('payment')])));
      const damaged = fc
        .tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(good.length))
        .map(([at, flip, end]) => {
          const copy = Buffer.from(good);
          copy[at] = (copy[at] as number) ^ flip;
          return copy.subarray(0, Math.max(at + 1, end));
        });
      fc.assert(
        fc.property(fc.oneof(damaged, bytes(60)), (packed) => {
          try {
            decode(batchOf(code, packed), codec);
          } catch (error) {
            // Of the batch, or of a record in it.
            fails('LOG_CORRUPT', 'payments[3]@4')(error);
          }
        }),
        { numRuns: 2_000 },
      );
    });

    it('that would unpack to more than is allowed is refused', () => {
      const packed = Buffer.from(codec.pack(Buffer.alloc(LIMIT + 1)));
      assert.ok(packed.length < LIMIT / 15);
      assert.throws(() => decode(batchOf(code, packed), codec), fails('LOG_CORRUPT', 'payments[3]@42', 'unpack'));
      assert.equal(codec.unpack(Buffer.from(codec.pack(Buffer.alloc(LIMIT))), LIMIT).length, LIMIT);
    });
  });
}

describe('a codec', () => {
  it('reads a snappy block without the stream of Java around it, as librdkafka writes it', async () => {
    const snappy = await loadCodec('snappy');
    // The stream's head and the length of its only block are 20 bytes.
    const block = Buffer.from(snappy.pack(Buffer.from('payment payment payment'))).subarray(20);
    assert.equal(Buffer.from(snappy.unpack(block, LIMIT)).toString(), 'payment payment payment');
  });

  it('takes no memory for a monstrous length that bytes merely claim', async () => {
    const claim = Buffer.alloc(9);
    claim.writeUInt32LE(0xfd2fb528);
    claim.writeUInt8(0b1010_0000, 4); // Zstandard, one segment, its size in 4 bytes
    claim.writeUInt32LE(2 ** 31 - 1, 5);
    const emptyBlock = Buffer.from([1, 0, 0]);
    const zstd = await loadZstd({});
    assert.throws(() => zstd.unpack(Buffer.concat([claim, emptyBlock]), 2 ** 31), /says it holds 2147483647 bytes/);
    const snappy = await loadCodec('snappy');
    assert.throws(
      () => snappy.unpack(Buffer.from([0xff, 0xff, 0xff, 0x3f, 0x00, 0x61]), LIMIT),
      /134217727 bytes or more/,
    );
    assert.throws(() => snappy.unpack(Buffer.from([0x05, 0x00, 0x61]), LIMIT), /says it holds 5 bytes, it holds 1/);
  });

  it('reads several Zstandard frames one after the other, and one that does not say its size', async () => {
    const zstd = await loadZstd({});
    const [one, two] = [Buffer.alloc(300_000, 1), Buffer.from('two')];
    const both = Buffer.concat([zstd.pack(one), zstd.pack(two)]);
    assert.deepEqual(Buffer.from(zstd.unpack(both, LIMIT)), Buffer.concat([one, two]));
    // Two blocks, of a byte repeated 130,000 times and of 3 bytes as they are: what a stream writes that does not know its end.
    const repeated = Buffer.from([0, 0, 0, 7]);
    repeated.writeUIntLE((130_000 << 3) | (1 << 1), 0, 3);
    const raw = Buffer.from([0, 0, 0, 97, 98, 99]);
    raw.writeUIntLE((3 << 3) | 1, 0, 3);
    const frame = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]), repeated, raw]);
    const unpacked = Buffer.from(zstd.unpack(frame, LIMIT));
    assert.equal(unpacked.length, 130_003);
    assert.equal(unpacked.subarray(129_999).toString('latin1'), '\x07abc');
  });

  it('of a code that Kafka does not have is refused', () => {
    assert.throws(() => unpack(7, Buffer.alloc(3)), /compression 7/);
  });

  it('whose package is not installed is CONFIG_INVALID and names it; the others work', async () => {
    const program = `
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(\`export async function resolve(name, context, next) {
        if (/^(snappyjs|lz4-napi|@bokuweb)/.test(name)) throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
        return next(name, context);
      }\`));
      const { loadCodec } = await import('#src/broker/compression/codecs.js');
      const { loadZstd } = await import('#src/broker/compression/zstd.js');
      for (const load of [() => loadCodec('gzip'), () => loadCodec('snappy'), () => loadCodec('lz4'), () => loadZstd({})])
        console.log(await load().then(({ name }) => name, (error) => (error.code ?? '') + ' ' + error.message));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    const [gzip, snappy, lz4, zstd] = stdout.split('\n');
    assert.equal(gzip, 'gzip');
    assert.match(snappy ?? '', /^CONFIG_INVALID .*npm install snappyjs/);
    assert.match(lz4 ?? '', /^CONFIG_INVALID .*npm install lz4-napi/);
    assert.match(zstd ?? '', /@bokuweb/);
  });
});
