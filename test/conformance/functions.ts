import type { FunctionCall, Json } from './case.js';

const isInteger = (value: Json): value is number => Number.isInteger(value);
const isText = (value: Json): value is string => typeof value === 'string';
const isObject = (value: Json): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: Json): string => (isText(value) ? value : JSON.stringify(value));
export const num = (value: Json): number => (isInteger(value) ? value : 0);
const plain = (key: Json): Json => (isObject(key) ? `${key.key}@${key.start}` : key);
const sumOrNull = (a: Json, b: Json): Json => num(a) + num(b) || null;
const words = (value: Json): string[] => (isText(value) ? value.split(' ').filter((word) => word !== '') : []);
const same = (a: Json, b: Json): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Each entry takes the call's `arg` and gives the function itself. */
type Table<F> = Readonly<Record<string, (arg: Json) => F>>;

const PREDICATES: Table<(key: Json, value: Json) => boolean> = {
  valueGreaterThan: (n) => (_key, value) => isInteger(value) && value > n,
  valueIsEven: () => (_key, value) => isInteger(value) && value % 2 === 0,
  valueIsNull: () => (_key, value) => value === null,
  keyIsNull: () => (key) => key === null,
  keyEquals: (k) => (key) => key === k,
  always: () => () => true,
  never: () => () => false,
};

const VALUES: Table<(key: Json, value: Json) => Json> = {
  identity: () => (_key, value) => value,
  add: (n) => (_key, value) => (isInteger(value) ? value + n : value),
  multiply: (n) => (_key, value) => (isInteger(value) ? value * n : value),
  constant: (c) => () => c,
  text: () => (_key, value) => text(value),
  withKey: () => (key, value) => `${text(plain(key))}:${text(value)}`,
  wrap: () => (_key, value) => ({ v: value }),
  field: (name) => (_key, value) => (isObject(value) ? (value[name] ?? null) : null),
  nullIfOdd: () => (_key, value) => (isInteger(value) && value % 2 !== 0 ? null : value),
};

const KEYS: Table<(key: Json, value: Json) => Json> = {
  identity: () => (key) => key,
  constant: (c) => () => c,
  valueText: () => (_key, value) => (value === null ? null : text(value)),
  field: (name) => (_key, value) => (isObject(value) && isText(value[name]) ? value[name] : null),
  modulo: (n) => (_key, value) => (isInteger(value) ? `m${((value % n) + n) % n}` : null),
  prefix: (p) => (key) => (key === null ? null : p + key),
  firstChar: () => (key) => (key ? ([...key][0] as string) : null),
  windowText: () => (key) => plain(key),
  windowKey: () => (key) => (isObject(key) ? key.key : key),
};

const FLAT_VALUES: Table<(value: Json) => Json[]> = {
  words: () => words,
  upTo: () => (value) => (isInteger(value) && value > 0 ? Array.from({ length: value }, (_, i) => i) : []),
  elements: () => (value) => (Array.isArray(value) ? value : []),
};

const PAIRS: Table<(key: Json, value: Json) => [key: Json, value: Json][]> = {
  wordPairs: () => (_key, value) => words(value).map((word) => [word, 1]),
  mirror: () => (key, value) => [
    [key, value],
    [value === null ? null : text(value), key],
  ],
  repeat: (n) => (key, value) => Array.from({ length: n }, (_, i) => [key === null ? null : `${key}#${i}`, value]),
};

const REDUCERS: Table<(a: Json, b: Json) => Json> = {
  sum: () => (a, b) => num(a) + num(b),
  subtract: () => (a, b) => num(a) - num(b),
  min: () => (a, b) => Math.min(num(a), num(b)),
  max: () => (a, b) => Math.max(num(a), num(b)),
  sumOrNull: () => sumOrNull,
  first: () => (a) => a,
  last: () => (_a, b) => b,
  join: (separator) => (a, b) => text(a) + separator + text(b),
};

const AGGREGATORS: Table<(key: Json, value: Json, aggregate: Json) => Json> = {
  count: () => (_key, _value, aggregate) => num(aggregate) + 1,
  sum: () => (_key, value, aggregate) => num(aggregate) + num(value),
  subtract: () => (_key, value, aggregate) => num(aggregate) - num(value),
  max: () => (_key, value, aggregate) => Math.max(num(aggregate), num(value)),
  sumOrNull: () => (_key, value, aggregate) => sumOrNull(aggregate, value),
  append: (separator) => (_key, value, aggregate) => text(aggregate) + separator + text(value),
  push: () => (_key, value, aggregate) => [...aggregate, value],
  remove: () => (_key, value, aggregate) => {
    const at = aggregate.findIndex((element: Json) => same(element, value));
    return at < 0 ? aggregate : aggregate.toSpliced(at, 1);
  },
};

const JOINERS: Table<(key: Json, left: Json, right: Json) => Json> = {
  pair: () => (_key, left, right) => [left, right],
  keyed: () => (key, left, right) => [key, left, right],
  text: () => (_key, left, right) => `${text(left)}|${text(right)}`,
  sum: () => (_key, left, right) => num(left) + num(right),
  nullIfEqual: () => (_key, left, right) => (same(left, right) ? null : [left, right]),
};

function from<F>(kind: string, table: Table<F>) {
  return ({ fn, arg }: FunctionCall): F => {
    const make = Object.hasOwn(table, fn) ? table[fn] : undefined;
    if (!make) throw new Error(`saw the ${kind} ${fn}, expected one of ${Object.keys(table).join(', ')}`);
    return make(arg);
  };
}

export const predicate = from('predicate', PREDICATES);
export const valueFunction = from('value function', VALUES);
export const keyFunction = from('key function', KEYS);
export const flatValues = from('flatMapValues function', FLAT_VALUES);
export const pairs = from('flatMap function', PAIRS);
export const reducer = from('reducer', REDUCERS);
export const aggregator = from('aggregator', AGGREGATORS);
export const joiner = from('joiner', JOINERS);
