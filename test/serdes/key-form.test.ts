import assert from 'node:assert/strict';
import fc from 'fast-check';
import { avro, MemoryRegistry } from 'millrace/avro';
import { parseKey, parseLookupKey } from '#src/cli/past/store-key.js';
import { type Serde, serdes, type Windowed } from '#src/index.js';
import { plainText } from '#src/model/text/plain-text.js';
import { toJson } from '#src/model/to-json.js';
import { openedFor } from '#src/runtime/send.js';
import { keyForm, keyOfForm } from '#src/serdes/key-form.js';
import { asKey } from '#src/serdes/serde.js';
import type { StoreSpec } from '#src/state/contract.js';
import { isError } from '../support/errors.js';

interface Kind<K> {
  readonly serde: Serde<K>;
  readonly keys: fc.Arbitrary<K>;
}

const texts = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', '5', '"a"', '"', '{"base64":"AP8A"}', 'null', 'a\nb', '\u202e', '\u{1f600}', '{"key":"a"}'),
);
const buffers = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));
const dates = fc.date({ noInvalidDate: true });
const bigints = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 2n ** 53n + 1n, -(2n ** 63n)),
);

/** What JSON has, and what it makes something else of. */
const jsonKeys: fc.Arbitrary<unknown> = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    texts,
    fc.maxSafeInteger(),
    fc.constantFrom(-0, 0.1, true, false),
    dates,
    buffers,
    fc.constantFrom({ base64: 'AP8A' }, { base64: 'NQ==' }, { key: 'a', start: 0, end: 1 }),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'key', '1', '__proto__', 'base64'), tie('any'), { maxKeys: 3 }),
  ),
})).any;

/** Takes any value, so that it takes none for another. */
const tagged: Serde<any> = {
  name: 'tagged',
  encode: (value) => Buffer.from(JSON.stringify(tag(value))),
  decode: (bytes) => untag(JSON.parse(bytes.toString())),
};

/** A value as JSON that says of what kind it is. */
type Tagged =
  | readonly ['plain', unknown]
  | readonly ['bigint' | 'number' | 'bytes', string]
  | readonly ['date', number]
  | readonly ['array', readonly Tagged[]]
  | readonly ['object', readonly (readonly [string, Tagged])[]];

function tag(value: unknown): Tagged {
  if (typeof value === 'bigint') return ['bigint', String(value)];
  if (typeof value === 'number') return ['number', Object.is(value, -0) ? '-0' : String(value)];
  if (value instanceof Date) return ['date', value.getTime()];
  if (value instanceof Uint8Array) return ['bytes', Buffer.from(value).toString('hex')];
  if (typeof value !== 'object' || value === null) return ['plain', value];
  if (Array.isArray(value)) return ['array', value.map(tag)];
  return ['object', Object.entries(value).map(([name, field]) => [name, tag(field)] as const)];
}

function untag(tagged: Tagged): unknown {
  switch (tagged[0]) {
    case 'bigint':
      return BigInt(tagged[1]);
    case 'number':
      return Number(tagged[1]);
    case 'date':
      return new Date(tagged[1]);
    case 'bytes':
      return Buffer.from(tagged[1], 'hex');
    case 'array':
      return tagged[1].map(untag);
    case 'object':
      return Object.fromEntries(tagged[1].map(([name, field]) => [name, untag(field)]));
    default:
      return tagged[1];
  }
}

/** Serdes that say nothing of JSON, as users write them. */
const own: Record<string, Kind<any>> = {
  'of dates': {
    serde: {
      name: 'date',
      encode: (date: Date) => serdes.int64.encode(date.getTime()),
      decode: (bytes) => new Date(serdes.int64.decode(bytes)),
    },
    keys: dates,
  },
  'of dates, which takes texts as well': {
    serde: {
      name: 'day',
      encode: (date: Date | string) => serdes.string.encode(new Date(date).toISOString()),
      decode: (bytes) => new Date(serdes.string.decode(bytes)),
    },
    keys: dates,
  },
  'of bigints of any size': {
    serde: {
      name: 'bigint',
      encode(value: bigint) {
        assert.equal(typeof value, 'bigint');
        return Buffer.from(String(value));
      },
      decode: (bytes) => BigInt(bytes.toString()),
    },
    keys: fc.bigInt(),
  },
  'of what JSON cannot say, which takes all that it can': {
    serde: tagged,
    keys: fc.oneof(jsonKeys, fc.record({ id: bigints, at: dates, raw: buffers, text: texts, n: fc.double() })),
  },
  'made of that of bytes': {
    serde: {
      ...serdes.bytes,
      name: 'point',
      encode: ({ x, y }: { x: number; y: number }) => Buffer.from([x, y]),
      decode: ([x = 0, y = 0]: Buffer) => ({ x, y }),
    } as unknown as Serde<any>,
    keys: fc.record({ x: fc.nat({ max: 255 }), y: fc.nat({ max: 255 }) }),
  },
  'of instances': {
    serde: {
      name: 'url',
      encode: (url: URL) => Buffer.from(url.href),
      decode: (bytes) => new URL(bytes.toString()),
    },
    keys: fc.webUrl().map((url) => new URL(url)),
  },
};

const kinds: Record<string, Kind<any>> = {
  string: { serde: serdes.string, keys: texts },
  bytes: { serde: serdes.bytes, keys: buffers },
  int64: { serde: serdes.int64, keys: fc.maxSafeInteger() },
  bigint64: { serde: serdes.bigint64, keys: bigints },
  double: { serde: serdes.double, keys: fc.double() },
  uuid: { serde: serdes.uuid, keys: fc.uuid().map((id) => id.toUpperCase()) },
  json: { serde: asKey(serdes.json()), keys: jsonKeys.filter((key) => key !== null) },
  ...Object.fromEntries(Object.entries(own).map(([name, kind]) => [`a serde ${name}`, kind])),
};

const bounds = fc.record({
  start: fc.oneof(fc.nat(), fc.integer({ min: -1_000_000, max: -1 })),
  end: fc.oneof(fc.nat(), fc.constant(Number.POSITIVE_INFINITY)),
});

const windowsOf = <K>({ serde, keys }: Kind<K>): Kind<Windowed<K>> => ({
  serde: serdes.windowed(serde),
  keys: fc.tuple(keys, bounds).map(([key, { start, end }]) => ({ key, start, end })),
});

const windows: Record<string, Kind<any>> = Object.fromEntries([
  ...Object.entries(kinds).map(([name, kind]) => [`windows of ${name}`, windowsOf(kind)]),
  ['windows of windows of bigint64', windowsOf(windowsOf(kinds.bigint64 as Kind<bigint>))],
  [
    'time windows of bytes',
    {
      serde: serdes.timeWindowed(serdes.bytes, '1m'),
      keys: fc.tuple(buffers, fc.nat()).map(([key, start]) => ({ key, start, end: start + 60_000 })),
    },
  ],
  [
    'sessions of bigint64',
    {
      serde: serdes.sessionWindowed(serdes.bigint64),
      keys: fc.tuple(bigints, fc.nat(), fc.nat()).map(([key, start, end]) => ({ key, start, end })),
    },
  ],
]);

const avroKey = {
  type: 'record',
  name: 'Key',
  fields: [
    { name: 'text', type: 'string' },
    { name: 'id', type: 'long' },
    { name: 'share', type: 'double' },
    { name: 'raw', type: 'bytes' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'maybe', type: ['null', 'string'] },
    { name: 'either', type: ['string', { type: 'long', logicalType: 'timestamp-millis' }] },
    { name: 'names', type: { type: 'map', values: 'bytes' } },
  ],
} as const;

const avroKeys = fc.record({
  text: texts,
  id: fc.maxSafeInteger(),
  share: fc.double(),
  raw: buffers,
  at: dates,
  maybe: fc.option(texts),
  either: fc.oneof(texts, dates),
  names: fc.dictionary(fc.constantFrom('a', 'base64'), buffers, { maxKeys: 2 }),
});

/** What is printed, typed on a command line, is a key of the same bytes. */
function assertSame(serde: Serde<any>, key: unknown): void {
  const printed = toJson(keyForm(serde, key));
  assert.equal(plainText(printed), printed);
  const bytes = serde.encode(key).toString('hex');
  assert.equal(serde.encode(keyOfForm(serde, JSON.parse(printed))).toString('hex'), bytes, printed);
  assert.equal(serde.encode(parseKey(serde, printed, 'a store')).toString('hex'), bytes, printed);
  const spec = { name: 'a store', key: serde } as StoreSpec;
  assert.equal(serde.encode(parseLookupKey(spec, printed)).toString('hex'), bytes, printed);
}

describe('a key, as it is printed, is the same key when it is typed', () => {
  for (const [name, { serde, keys }] of Object.entries({ ...kinds, ...windows })) {
    it(name, () => {
      fc.assert(
        fc.property(keys, (key) => assertSame(serde, key)),
        { numRuns: 300 },
      );
    });
  }

  it('Avro, and windows of it', async () => {
    const services = { schemaRegistry: async () => new MemoryRegistry(), registerSchemas: true };
    const given = { key: avro(avroKey) as Serde<any>, value: serdes.bytes };
    const { key: serde } = await openedFor('in', 'both', given, services);
    const { key: windowed } = await openedFor(
      'in',
      'both',
      { key: serdes.windowed(given.key), value: serdes.bytes },
      services,
    );
    fc.assert(
      fc.property(avroKeys, bounds, (key, { start, end }) => {
        assertSame(serde as Serde<any>, key);
        assertSame(windowed as Serde<any>, { key, start, end });
      }),
      { numRuns: 300 },
    );
  });
});

describe('the form of a key', () => {
  const form = (serde: Serde<any>, key: unknown): string => toJson(keyForm(serde, key));

  it('is JSON where JSON has it, text for bigints and dates, base64 for bytes, an end of null for ever', () => {
    assert.equal(form(serdes.string, 'a'), '"a"');
    assert.equal(form(serdes.bigint64, 2n ** 53n + 1n), '"9007199254740993"');
    assert.equal(form(serdes.bytes, Buffer.from([0, 255, 0])), '{"base64":"AP8A"}');
    assert.equal(form(serdes.double, -0), '"-0"');
    assert.equal(form(own['of dates']?.serde as Serde<any>, new Date(0)), '"1970-01-01T00:00:00.000Z"');
    assert.equal(
      form(serdes.windowed(serdes.bytes), { key: Buffer.from('a'), start: 0, end: Number.POSITIVE_INFINITY }),
      '{"key":{"base64":"YQ=="},"start":0,"end":null}',
    );
  });

  it('is base64 of what the serde writes where JSON cannot say which value it is', () => {
    const printed = form(tagged, { id: 5n });
    assert.equal(printed, `{"base64":"${tagged.encode({ id: 5n }).toString('base64')}"}`);
    assert.deepEqual(parseKey(tagged, printed, 'a store'), { id: 5n });
  });

  it('of text may be typed without its quotes; all digits of a bigint count, with and without', () => {
    assert.equal(parseKey(serdes.string, 'a b', 's'), 'a b');
    assert.equal(parseKey(serdes.string, '"a b"', 's'), 'a b');
    assert.equal(parseKey(serdes.string, '"a', 's'), '"a');
    assert.equal(parseKey(serdes.bigint64, '9007199254740993', 's'), 2n ** 53n + 1n);
    assert.equal(parseKey(serdes.bigint64, '"9007199254740993"', 's'), 2n ** 53n + 1n);
    assert.throws(() => parseKey(serdes.json(), '9007199254740993', 's'), isError('USAGE', /lost digits/));
    assert.equal(parseKey(serdes.double, '18446744073709552000', 's'), 2 ** 64);
    assert.throws(() => parseKey(serdes.double, '9007199254740993', 's'), isError('USAGE', /lost digits/));
    assert.throws(() => parseKey(serdes.bytes, '{"base64":"?"}', 's'), isError('USAGE', /base64/));
    assert.throws(() => parseKey(serdes.windowed(serdes.string), '{"key":"a","start":0}', 's'), isError('USAGE'));
  });
});
