/** Compiled, never run: the types of Avro schemas. */
import {
  mapValues,
  serdes as plain,
  type Serde,
  type Stream,
  type StreamRecord,
  type TopologyBuilder,
  to,
} from '#src/index.js';
import {
  type AvroSchema,
  type AvroSerde,
  avro,
  type FromAvro,
  serdes,
  type ToAvro,
  upcast,
} from '#src/serdes/avro/index.js';
import type { Equal } from './support.js';

const same = <A, B>(_: Equal<A, B>): void => undefined;

const order = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'cents', type: 'long', default: 0 },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'since', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['new', 'paid'] } },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 16 } },
    {
      name: 'lines',
      type: {
        type: 'array',
        items: { type: 'record', name: 'Line', fields: [{ name: 'count', type: 'int', default: 1 }] },
      },
    },
    { name: 'more', type: { type: 'map', values: 'Line' } },
  ],
} as const;

interface Line {
  count: number;
}

interface Order {
  id: string;
  cents: number;
  note: string | null;
  at: Date;
  day: string;
  since: number;
  price: string;
  kind: 'new' | 'paid';
  hash: Buffer;
  lines: Line[];
  more: { [key: string]: Line };
}

export const reading = (read: FromAvro<typeof order>, typed: Order): void => {
  typed = read;
  read = typed;
  same<FromAvro<'string'>, string>(true);
  same<FromAvro<readonly ['null', 'int']>, number | null>(true);
  same<FromAvro<{ readonly type: 'array'; readonly items: 'boolean' }>, boolean[]>(true);
  // @ts-expect-error a symbol that is none
  read.kind satisfies 'sent';
  // @ts-expect-error no such field
  read.missing;
};

export const writing = (): void => {
  const small: ToAvro<typeof order> = {
    id: 'a',
    at: new Date(0),
    day: '2026-01-01',
    since: 0,
    price: '1.50',
    kind: 'new',
    hash: Buffer.alloc(16),
    lines: [{}],
    more: {},
  };
  avro(order).encode(small);
  avro(order).encode({ ...small, cents: 5, note: 'x', lines: [{ count: 2 }] });
  // @ts-expect-error id has no default
  avro(order).encode({ ...small, id: undefined });
  // @ts-expect-error no number for a decimal
  avro(order).encode({ ...small, price: 1.5 });
};

export const unions = (): void => {
  const event = avro([
    { type: 'record', name: 'Placed', namespace: 'shop', fields: [{ name: 'id', type: 'string' }] },
    {
      type: 'record',
      name: 'other.Paid',
      fields: [
        { name: 'cents', type: 'long' },
        { name: 'inner', type: ['null', 'Placed', { type: 'record', name: 'Inner', fields: [] }] },
      ],
    },
  ]);
  const value = event.decode(Buffer.alloc(0));
  if ('shop.Placed' in value) value['shop.Placed'].id satisfies string;
  else value['other.Paid'].cents satisfies number;
  event.encode({ 'shop.Placed': { id: 'x' } });
  event.encode({ 'other.Paid': { cents: 1, inner: { 'shop.Placed': { id: 'x' } } } });
  event.encode({ 'other.Paid': { cents: 1, inner: { 'other.Inner': {} } } });
  // @ts-expect-error records of a union go by their full names
  event.encode({ Placed: { id: 'x' } });
  // @ts-expect-error which of the two is it?
  event.encode({ id: 'x' });
  // Types that come by a reference go by the names that they are referred to with.
  avro(['shop.Money', 'shop.Coin']).encode({ 'shop.Coin': 1 });
  // @ts-expect-error neither of them
  avro(['shop.Money', 'shop.Coin']).encode({ 'shop.Note': 1 });
  // A name may stand in an object of its own.
  const nested = avro({
    type: 'record',
    name: 'shop.Outer',
    fields: [
      { name: 'a', type: { type: 'record', name: 'A', fields: [] } },
      { name: 'either', type: [{ type: 'A' }, { type: { type: 'record', name: 'B', fields: [] } }] },
    ],
  });
  nested.encode({ a: {}, either: { 'shop.A': {} } });
  nested.encode({ a: {}, either: { 'shop.B': {} } });
  // @ts-expect-error by its full name here as well
  nested.encode({ a: {}, either: { A: {} } });
  // Told by their looks: a string, a number, a date.
  same<
    FromAvro<readonly ['null', 'string', 'long', { readonly type: 'long'; readonly logicalType: 'timestamp-millis' }]>,
    string | number | Date | null
  >(true);
  const alike = avro(['string', { type: 'enum', name: 'E', symbols: ['a'] }]);
  alike.encode({ string: 'x' });
  alike.encode({ E: 'a' });
  // @ts-expect-error a string and an enum look alike
  alike.encode('a');
};

/** As the specification demands: a logical type that does not fit is left out. */
export const meanings = (): void => {
  same<FromAvro<{ readonly type: 'string'; readonly logicalType: 'timestamp-millis' }>, string>(true);
  same<FromAvro<{ readonly type: 'int'; readonly logicalType: 'timestamp-millis' }>, number>(true);
  same<FromAvro<{ readonly type: 'long'; readonly logicalType: 'date' }>, number>(true);
  same<FromAvro<{ readonly type: 'bytes'; readonly logicalType: 'decimal' }>, Buffer>(true);
  same<FromAvro<{ readonly type: 'bytes'; readonly logicalType: 'uuid' }>, Buffer>(true);
  same<FromAvro<{ readonly type: { readonly type: 'int' }; readonly logicalType: 'date' }>, number>(true);
  const uuid = { type: 'fixed', name: 'Id', size: 16, logicalType: 'uuid' } as const;
  same<FromAvro<typeof uuid>, string>(true);
  same<FromAvro<Omit<typeof uuid, 'size'> & { readonly size: 15 }>, Buffer>(true);
  same<FromAvro<{ readonly type: 'string'; readonly logicalType: 'uuid' }>, string>(true);
  // Text and text look alike, also where one of them says of itself that it is a time.
  avro(['string', { type: 'enum', name: 'E', symbols: ['a'], logicalType: 'timestamp-millis' }]).encode({ E: 'a' });
};

/** Of which too little is known is unknown, and not looked into for ever. `any` is what is tried here: a schema that comes out of JSON.parse has it, in whole or in part. */
export const vague = (some: any): void => {
  same<FromAvro<any>, unknown>(true);
  same<FromAvro<AvroSchema>, unknown>(true);
  same<FromAvro<{ readonly type: 'array'; readonly items: any }>, unknown[]>(true);
  same<FromAvro<{ readonly type: 'record'; readonly name: 'R'; readonly fields: any }>, unknown>(true);
  const field = avro({
    type: 'record',
    name: 'R',
    fields: [
      { name: 'id', type: 'int' },
      { name: 'more', type: some },
    ],
  });
  field.decode(Buffer.alloc(0)).id satisfies number;
  field.encode({ id: 1, more: 'anything' });
  avro([{ type: 'record', name: 'R', fields: [] }, some]);
};

export const recursion = (): void => {
  const node = avro({
    type: 'record',
    name: 'Node',
    fields: [
      { name: 'value', type: 'int' },
      { name: 'next', type: ['null', 'Node'], default: null },
    ],
  });
  node.decode(Buffer.alloc(0)).next?.next?.next?.value satisfies number | undefined;
  node.encode({ value: 1, next: { value: 2 } });
  // @ts-expect-error all the way down
  node.encode({ value: 1, next: { value: 'two' } });
  // What comes by a reference is not known here.
  same<FromAvro<{ readonly type: 'array'; readonly items: 'shop.Money' }>, unknown[]>(true);
};

export const using = (t: TopologyBuilder): void => {
  const orders = t.stream('orders', { key: plain.string, value: serdes.avro(order) });
  orders satisfies Stream<string, Order>;
  orders.pipe(to('copies', { key: plain.string, value: avro(order) }));
  avro(order) satisfies Serde<FromAvro<typeof order>>;
  // Written: what has a default may be missing.
  const line = { type: 'record', name: 'Line', fields: [{ name: 'count', type: 'int', default: 1 }] } as const;
  orders.pipe(
    mapValues((): ToAvro<typeof line> => ({})),
    to('lines', { key: plain.string, value: avro(line) }),
  );
  const other = avro({ type: 'record', name: 'R', fields: [{ name: 'x', type: 'int' }] });
  // @ts-expect-error another value than the stream has
  orders.pipe(to('lines', { key: plain.string, value: other }));
  avro<Order>('orders-value') satisfies AvroSerde<Order>;
  avro('orders-value') satisfies AvroSerde<unknown>;
  avro(line, {
    upcasts: [
      upcast({ type: 'record', name: 'Line', fields: [{ name: 'n', type: 'string' }] }, ({ n }) => ({
        count: Number(n),
      })),
    ],
  });
  // @ts-expect-error the upcaster makes another value
  avro(line, { upcasts: [upcast(['int'], () => ({ count: 'one' }))] });
  // @ts-expect-error no such strategy
  avro(line, { strategy: 'topic' });
};

export type Records = StreamRecord<string, Order>;
