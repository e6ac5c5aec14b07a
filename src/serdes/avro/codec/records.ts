import type { RecordSchema, Schema } from '../../schema/model.js';
import { hasDefault, isNamed } from '../../schema/model.js';
import { partsOf } from '../../schema/walk.js';
import { type AvscType, type InnerType, type Tap, types } from './avsc.js';
import { defaultValue } from './default-value.js';

/**
 * The defaults of records while a type is being built: its records by name. avsc does not see the defaults,
 * see {@link defaultValue}.
 */
export class Defaults {
  readonly #records = new Map<string, RecordSchema>();
  /** Until all types are complete, callers may only check whether there is a default, not use its value. */
  complete = false;

  constructor(schema: Schema) {
    const seen = new Set<Schema>();
    const visit = (one: Schema): void => {
      if (seen.has(one)) return;
      seen.add(one);
      if (isNamed(one) && one.kind === 'record') this.#records.set(one.name, one);
      for (const part of partsOf(one)) visit(part);
    };
    visit(schema);
  }

  /** A function that makes the default of a field; undefined: it has none. */
  of(record: string, name: string): (() => unknown) | undefined {
    const field = this.#records.get(record)?.fields.find((other) => other.name === name);
    if (!field || !hasDefault(field)) return undefined;
    return () => (this.complete && !asking ? defaultValue(field.type, field.default) : null);
  }
}

/**
 * True while a resolver is being built: it checks which fields have a default, but does not use the value,
 * which may be meaningless.
 */
let asking = false;

/** The defaults of the type that is being built. Building is synchronous. */
let building: Defaults | undefined;

export function withDefaults<T>(defaults: Defaults, build: () => T): T {
  const before = building;
  building = defaults;
  try {
    const built = build();
    defaults.complete = true;
    return built;
  } finally {
    building = before;
  }
}

interface FieldType {
  readonly name: string;
  readonly type: AvscType;
  defaultValue(): unknown;
}

/** A record of avsc with the members that its declarations lack. It calls them in its constructor. */
interface Inner {
  name: string;
  fields: readonly FieldType[];
  _createConstructor(errorStacks: boolean, plain: boolean): unknown;
  _createWriter(): unknown;
  _update(resolver: unknown, writer: unknown, options: unknown): void;
}

type Constructor = new (schema: never, options: object) => Inner;

/** A record with our own defaults. */
class GuardedRecord extends (types.RecordType as unknown as Constructor) {
  override _createConstructor(errorStacks: boolean, plain: boolean): unknown {
    this.fields = Object.freeze(
      this.fields.map((field) => {
        const make = building?.of(this.name, field.name);
        return make ? (Object.create(field, { defaultValue: { value: make } }) as FieldType) : field;
      }),
    );
    return super._createConstructor(errorStacks, plain);
  }

  override _update(resolver: unknown, writer: unknown, options: unknown): void {
    const before = asking;
    asking = true;
    try {
      super._update(resolver, writer, options);
    } finally {
      asking = before;
    }
  }

  /**
   * avsc would encode the defaults now. Fields with a default temporarily get types that encode it on demand.
   */
  override _createWriter(): unknown {
    const { fields } = this;
    this.fields = fields.map((field) =>
      Object.hasOwn(field, 'defaultValue') ? { name: field.name, type: written(field), defaultValue: none } : field,
    );
    const writer = super._createWriter();
    this.fields = fields;
    return writer;
  }
}

const none = (): undefined => undefined;

/** Writes a field that may be left out. */
function written({ type, defaultValue: make }: FieldType): AvscType {
  let encoded: Buffer | undefined;
  const inner = type as unknown as InnerType;
  const standIn = {
    _write(tap: Tap, value: unknown): void {
      if (value !== undefined) {
        inner._write(tap, value);
        return;
      }
      encoded ??= type.toBuffer(make());
      tap.writeFixed(encoded, encoded.length);
    },
  };
  return standIn as unknown as AvscType;
}

/** A record type for a schema without defaults. */
export const guardedRecord = (schema: object, options: object): InstanceType<typeof types.RecordType> =>
  new GuardedRecord(schema as never, options) as unknown as InstanceType<typeof types.RecordType>;
