import { messageOf, StreamsError } from '../../model/errors.js';
import { show } from '../../model/text/show.js';
import type { Format } from '../../serdes/serde.js';

/**
 * The owner of a state directory, kept as JSON in `identity.json`:
 *
 * ```json
 * { "format": 1, "application": "shop", "topology": "payments", "task": "0_3",
 *   "stores": { "balances": { "id": 1, "kind": "keyValue", "key": "string", "value": "json" } } }
 * ```
 *
 * `id` is the prefix of the store's keys in the task's database (2 bytes, big-endian). 0 is for the task
 * itself: its offsets and positions.
 */
export interface Identity {
  readonly application: string;
  readonly topology: string;
  readonly task: string;
  /**
   * Every store that the directory has ever held: the id of a store that is no longer declared stays taken.
   */
  readonly stores: ReadonlyMap<string, StoreIdentity>;
}

export interface StoreIdentity {
  readonly id: number;
  readonly kind: string;
  /** The names of the serdes. */
  readonly key: string;
  readonly value: string;
  /**
   * All formats in which rows may be written, if the serdes have formats (schemas). The last one is the
   * current format.
   */
  readonly formats?: Formats;
}

interface Formats {
  readonly key?: readonly string[];
  readonly value?: readonly string[];
}

/** A store as it is declared now. A StoreSpec is one. */
export interface DeclaredStore {
  readonly name: string;
  readonly kind: string;
  readonly key: DeclaredSerde;
  readonly value: DeclaredSerde;
}

interface DeclaredSerde {
  readonly name: string;
  readonly format?: Format | undefined;
}

const FORMAT = 1;
const MAX_ID = 0xffff;
const REBUILD = 'delete the directory to have the state rebuilt from the changelog';

export function formatIdentity({ application, topology, task, stores }: Identity): string {
  return `${JSON.stringify({ format: FORMAT, application, topology, task, stores: Object.fromEntries(stores) }, null, 2)}\n`;
}

/**
 * Reads an identity file. Errors: STATE_CORRUPT if it is damaged, STATE_MISMATCH if a newer version wrote it.
 */
export function parseIdentity(text: string, path: string): Identity {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw damaged(path, messageOf(error), error);
  }
  if (!isObject(json)) throw damaged(path, 'no JSON object');
  const { format, application, topology, task, stores } = json;
  if (typeof format === 'number' && format > FORMAT) {
    throw mismatch(
      path,
      `format ${format}, written by a newer version of millrace`,
      `format ${FORMAT}`,
      `Use that version, or ${REBUILD}.`,
    );
  }
  if (format !== FORMAT) throw damaged(path, `format ${show(format)}`);
  if (
    typeof application !== 'string' ||
    typeof topology !== 'string' ||
    typeof task !== 'string' ||
    !isObject(stores)
  ) {
    throw damaged(path, 'a missing field, or one of another type');
  }
  const parsed = new Map(Object.entries(stores).map(([name, store]) => [name, parseStore(name, store, path)]));
  if (new Set(Array.from(parsed.values(), (store) => store.id)).size < parsed.size)
    throw damaged(path, 'two stores with the same id');
  return { application, topology, task, stores: parsed };
}

/** Refuses a directory of another owner. Errors: STATE_MISMATCH, which names the owner. */
export function checkOwner(found: Identity, expected: Omit<Identity, 'stores'>, path: string): void {
  for (const field of ['application', 'topology', 'task'] as const) {
    if (found[field] !== expected[field]) {
      throw mismatch(
        path,
        `the state of ${field} "${found[field]}"`,
        `the state of ${field} "${expected[field]}"`,
        `Choose another state directory or application id, or ${REBUILD}.`,
      );
    }
  }
}

/**
 * The stores of the directory plus the declared ones: known stores keep their id, new ones get the next.
 * Errors: STATE_MISMATCH if a store has changed.
 */
export function assignIds(
  known: Identity['stores'],
  declared: readonly DeclaredStore[],
  path: string,
): ReadonlyMap<string, StoreIdentity> {
  const stores = new Map(known);
  let lastId = Math.max(0, ...Array.from(known.values(), (store) => store.id));
  for (const { name, kind, key, value } of declared) {
    const found = stores.get(name);
    if (!found) {
      if (lastId === MAX_ID)
        throw mismatch(
          path,
          `${MAX_ID} stores, declared at one time or another`,
          'at most as many',
          `To go on, ${REBUILD}.`,
        );
      const formats = formatsOf({ key, value }, undefined, name, path);
      stores.set(name, { id: ++lastId, kind, key: key.name, value: value.name, ...(formats && { formats }) });
      continue;
    }
    const now = { kind, key: key.name, value: value.name };
    for (const [field, label] of [
      ['kind', 'kind'],
      ['key', 'key serde'],
      ['value', 'value serde'],
    ] as const) {
      if (found[field] !== now[field]) {
        throw mismatch(
          `store ${name} in ${path}`,
          `state of ${label} "${found[field]}"`,
          `${label} "${now[field]}"`,
          'Choose another store name, run once, and fill it: millrace rebuild FILE --store NAME --from sources. Delete the directory only if the changelog, or the topic of a global table, has the new format.',
        );
      }
    }
    const formats = formatsOf({ key, value }, found.formats, name, path);
    if (formats && JSON.stringify(formats) !== JSON.stringify(found.formats)) stores.set(name, { ...found, formats });
  }
  return stores;
}

/**
 * The formats of a store's rows from now on. Errors: STATE_MISMATCH if existing rows could no longer be read;
 * for keys, if they would be encoded differently, because a key is found by its bytes.
 */
function formatsOf(
  serdes: { readonly key: DeclaredSerde; readonly value: DeclaredSerde },
  known: Formats | undefined,
  store: string,
  path: string,
): Formats | undefined {
  const side = (name: 'key' | 'value'): readonly string[] | undefined => {
    const { format } = serdes[name];
    const before = known?.[name] ?? [];
    if (!format) return known?.[name];
    for (const written of before) {
      if (written === format.text) continue;
      const reason = name === 'key' ? 'a key is found by its bytes, which would change' : format.cannotRead(written);
      if (reason === undefined) continue;
      throw new StreamsError('STATE_MISMATCH', {
        what: `cannot use the state: the current schema is not compatible with the one that wrote its ${name}s`,
        at: `store ${store} in ${path}`,
        saw: reason,
        expected: name === 'key' ? 'the same schema' : 'a schema that reads the old one',
        action:
          'Change the schema so that it reads the old one (a default for a new field, an alias for a renamed one), or give the serde an upcaster. Or rebuild the store: choose another name for it and let the application process its sources again, from the beginning.',
      });
    }
    return [...before.filter((written) => written !== format.text), format.text];
  };
  const [key, value] = [side('key'), side('value')];
  return key || value ? { ...(key && { key }), ...(value && { value }) } : undefined;
}

/** STATE_CORRUPT for an identity file with unexpected content. */
export function damaged(path: string, saw: string, cause?: unknown): StreamsError {
  return new StreamsError('STATE_CORRUPT', {
    what: 'cannot read the identity of the state',
    at: path,
    saw,
    expected: 'the identity file as it was written',
    action: `Stop the application and ${REBUILD}.`,
    cause,
  });
}

function mismatch(at: string, saw: string, expected: string, action: string): StreamsError {
  return new StreamsError('STATE_MISMATCH', { what: 'cannot use the state', at, saw, expected, action });
}

function parseStore(name: string, store: unknown, path: string): StoreIdentity {
  if (isObject(store)) {
    const { id, kind, key, value, formats } = store;
    const idIsValid = typeof id === 'number' && Number.isInteger(id) && id > 0 && id <= MAX_ID;
    if (
      idIsValid &&
      typeof kind === 'string' &&
      typeof key === 'string' &&
      typeof value === 'string' &&
      (formats === undefined || areFormats(formats))
    )
      return { id, kind, key, value, ...(formats !== undefined && { formats }) };
  }
  throw damaged(path, `store ${name} with a missing field, or one of another type`);
}

const areFormats = (formats: unknown): formats is Formats =>
  isObject(formats) &&
  [formats.key, formats.value].every(
    (list) => list === undefined || (Array.isArray(list) && list.every((text) => typeof text === 'string')),
  );

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
