import assert from 'node:assert/strict';
import fc from 'fast-check';
import { chunkKey } from '#src/serdes/chunk-key.js';
import { serdes } from '#src/serdes/serdes.js';
import { versionList } from '#src/serdes/versions.js';

const id = fc.nat(0xffff_ffff);
const moment = fc.integer({ min: 0, max: 8.64e15 });
const text = fc.string({ unit: 'binary' });
const plain = { noNullPrototype: true };

describe('the serde of the keys of chunks', () => {
  const serde = chunkKey(serdes.string);

  it('gives back every key that it encoded', () => {
    fc.assert(
      fc.property(fc.record({ key: text, id }, plain), (key) => assert.deepEqual(serde.decode(serde.encode(key)), key)),
    );
  });

  it('refuses fewer bytes than a number has', () => {
    assert.throws(() => serde.decode(Buffer.alloc(3)), /saw 3 bytes .*expected at least 4/);
  });
});

describe('the serde of lists of versions', () => {
  const serde = versionList(serdes.string);
  const lists = fc.record(
    {
      deletedAt: fc.option(moment),
      nextId: id,
      chunks: fc.array(fc.record({ id, first: moment, count: id }, plain)),
      versions: fc.array(fc.record({ from: moment, value: fc.option(text) }, plain)),
    },
    plain,
  );

  it('gives back every list that it encoded', () => {
    fc.assert(
      fc.property(lists, (list) => {
        const { versions, ...rest } = serde.decode(serde.encode(list));
        const plainVersions = versions.map(({ from, value }) => ({ from, value }));
        const given = list.versions.map(({ from, value }) => ({ from, value }));
        assert.deepEqual({ ...rest, versions: plainVersions }, { ...list, versions: given });
      }),
    );
  });

  it('writes what it read as it was, without decoding it', () => {
    let decoded = 0;
    const counting = versionList({
      ...serdes.string,
      decode: (bytes) => {
        decoded++;
        return serdes.string.decode(bytes);
      },
    });
    const bytes = counting.encode({ deletedAt: null, nextId: 1, chunks: [], versions: [{ from: 7, value: 'x' }] });
    const list = counting.decode(bytes);
    assert.ok(counting.encode(list).equals(bytes));
    assert.equal(decoded, 0);
    assert.equal(list.versions[0]?.value, 'x');
  });

  it('refuses another format', () => {
    assert.throws(() => serde.decode(Buffer.from([9, 0])), /saw format 9, expected format 1/);
  });
});
