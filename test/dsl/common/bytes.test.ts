import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ByteReader, ByteWriter, readHeaders, written } from '#src/dsl/common/bytes.js';
import { Headers } from '#src/model/headers.js';

type Piece =
  | { readonly kind: 'byte' | 'int32' | 'double'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array | null }
  | { readonly kind: 'headers'; readonly value: readonly (readonly [string, Uint8Array | null])[] }
  | { readonly kind: 'row'; readonly value: readonly Piece[] };

const bytes = fc.option(fc.uint8Array({ maxLength: 3_000 }));
const { row } = fc.letrec<{ piece: Piece; row: readonly Piece[] }>((tie) => ({
  piece: fc.oneof(
    { maxDepth: 3 },
    fc.record({ kind: fc.constant('byte' as const), value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('int32' as const), value: fc.integer() }),
    fc.record({ kind: fc.constant('double' as const), value: fc.double() }),
    fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme', maxLength: 2_000 }) }),
    fc.record({ kind: fc.constant('bytes' as const), value: bytes }),
    fc.record({
      kind: fc.constant('headers' as const),
      value: fc.array(fc.tuple(fc.string(), bytes), { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('row' as const), value: tie('row') }),
  ),
  row: fc.array(tie('piece'), { maxLength: 6 }),
}));

function write(to: ByteWriter, piece: Piece): void {
  if (piece.kind === 'text') to.text(piece.value);
  else if (piece.kind === 'bytes') to.bytes(piece.value);
  else if (piece.kind === 'headers')
    to.headers(new Headers(piece.value.map(([name, value]) => [name, value && Buffer.from(value)])));
  else if (piece.kind === 'row') to.bytes(bytesOf(piece.value));
  else to[piece.kind](piece.value);
}

/** A row in the middle of a row is written while that one is. */
const bytesOf = (pieces: readonly Piece[]): Buffer =>
  written((to) => {
    for (const piece of pieces) write(to, piece);
  });

function check(reader: ByteReader, pieces: readonly Piece[]): void {
  for (const { kind, value } of pieces) {
    if (kind === 'headers')
      assert.deepEqual(
        readHeaders(reader).entries.map(([name, own]) => [name, own && Uint8Array.from(own)]),
        value,
      );
    else if (kind === 'row') check(new ByteReader(reader.bytes() as Buffer, 'a row'), value);
    else if (kind === 'bytes') assert.deepEqual(toArray(reader.bytes()), value);
    else assert.deepEqual(reader[kind](), value);
  }
}

const toArray = (read: Buffer | null): Uint8Array | null => read && Uint8Array.from(read);

describe('the pieces of a row', () => {
  it('are read as they were written, in rows of any size and in one another', () => {
    fc.assert(
      fc.property(row, (pieces) => {
        const first = bytesOf(pieces);
        const copy = Buffer.from(first);
        bytesOf([...pieces, ...pieces]); // what comes later does not write into what was given
        assert.deepEqual(first, copy);
        check(new ByteReader(first, 'a row'), pieces);
      }),
    );
  });

  it('are big endian, behind their lengths', () => {
    const made = written((to) => {
      to.byte(7);
      to.int32(258);
      to.double(1);
      to.text('é');
      to.bytes(Buffer.of(9));
      to.bytes(null);
    });
    assert.equal(
      made.toString('hex'),
      '07' + '00000102' + '3ff0000000000000' + '00000002c3a9' + '0000000109' + 'ffffffff',
    );
  });

  const growing: readonly Piece[] = [
    { kind: 'byte', value: 3 },
    { kind: 'int32', value: 3 },
    { kind: 'double', value: 3 },
    { kind: 'text', value: 'drei' },
    { kind: 'bytes', value: Uint8Array.of(1, 2, 3) },
    { kind: 'headers', value: [['a', null]] },
  ];
  for (const piece of growing) {
    it(`${piece.kind} makes room for itself`, () => {
      const writer = new ByteWriter();
      const pieces = Array.from({ length: 3_000 }, () => piece);
      for (const one of pieces) write(writer, one);
      check(new ByteReader(writer.take(), 'a row'), pieces);
    });
  }

  it('of a row whose serde throws do not get into the next one', () => {
    assert.throws(
      () =>
        written((to) => {
          to.text('half');
          throw new Error('a serde');
        }),
      /a serde/,
    );
    assert.deepEqual(
      written((to) => to.byte(1)),
      Buffer.of(1),
    );
  });

  it('end where the bytes end: an error says of what', () => {
    assert.throws(
      () => new ByteReader(Buffer.of(0, 0, 0, 5, 1), 'a row').bytes(),
      /saw a row of 5 bytes, expected at least 9/,
    );
  });
});
