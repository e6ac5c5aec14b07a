import { ownOf } from '../../../model/own.js';
import type { Logical } from '../../schema/model.js';
import { type AvscType, types } from './avsc.js';
import { decimalBytes, decimalOf } from './decimal.js';

const DAY_MS = 86_400_000;
const DATE = /^([+-]\d{6}|\d{4})-\d{2}-\d{2}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

interface Reader {
  _read(tap: unknown): unknown;
}

/**
 * The common part of all logical types: they can be read from everything that the underlying type can be read
 * from.
 */
abstract class Mapped extends types.LogicalType {
  /** Called by avsc, to read what another type wrote. The caller has checked that the meaning is the same. */
  _update(resolver: { _read: unknown }, writer: AvscType, options: object): void {
    const written = (writer as { readonly underlyingType?: AvscType }).underlyingType ?? writer;
    const inner = this.underlyingType.createResolver(written, options) as unknown as Reader;
    resolver._read = (tap: unknown) => this._fromValue(inner._read(tap));
  }
}

const dateOf = (days: number): string => {
  const date = new Date(days * DAY_MS);
  if (Number.isNaN(date.getTime())) throw new Error('saw a date beyond the range of a JavaScript Date');
  return date.toISOString().slice(0, -14);
};

const timeOf = (ms: number): Date => {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) throw new Error('saw a time beyond the range of a JavaScript Date');
  return date;
};

const uuidOf = (written: string | Buffer): string => {
  const hex =
    typeof written === 'string'
      ? written
      : written.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  if (!UUID.test(hex)) throw new Error('saw no UUID');
  return hex.toLowerCase();
};

/** The logical value of an underlying value. Throws a plain `Error` for one without a meaning. */
export function logicalValue(logical: Logical, value: unknown): unknown {
  switch (logical.name) {
    case 'date':
      return dateOf(value as number);
    case 'timestamp-millis':
      return timeOf(value as number);
    case 'decimal':
      return decimalOf(value as Buffer, logical.scale);
    case 'uuid':
      return uuidOf(value as string | Buffer);
    default:
      return value;
  }
}

/** `"2026-01-31"`: a string, because a Date would be a point in time. */
class DateType extends Mapped {
  protected override _fromValue(days: number): string {
    return dateOf(days);
  }

  protected override _toValue(text: unknown): number {
    const ms = typeof text === 'string' && DATE.test(text) ? Date.parse(`${text}T00:00:00.000Z`) : Number.NaN;
    // Date would take the 30th of February for the 2nd of March.
    if (Number.isNaN(ms) || this._fromValue(ms / DAY_MS) !== text)
      throw new Error('saw no date, expected a string such as "2026-01-31"');
    return ms / DAY_MS;
  }
}

class TimestampMillisType extends Mapped {
  protected override _fromValue(ms: number): Date {
    return timeOf(ms);
  }

  protected override _toValue(date: unknown): number {
    if (date instanceof Date && !Number.isNaN(date.getTime())) return date.getTime();
    throw new Error('saw no valid Date');
  }
}

class DecimalType extends Mapped {
  readonly #scale: number;
  readonly #precision: number;

  constructor(schema: { readonly precision: number; readonly scale?: number }, options: object) {
    super(schema as never, options);
    this.#precision = schema.precision;
    this.#scale = schema.scale ?? 0;
  }

  protected override _fromValue(bytes: Buffer): string {
    return decimalOf(bytes, this.#scale);
  }

  protected override _toValue(text: unknown): Buffer {
    if (typeof text !== 'string') throw new Error('saw no string, expected a decimal such as "12.50"');
    const { size } = this.underlyingType as unknown as { readonly size?: number };
    return decimalBytes(text, { precision: this.#precision, scale: this.#scale, size });
  }
}

class UuidType extends Mapped {
  get #isFixed(): boolean {
    return this.underlyingType.typeName === 'fixed';
  }

  protected override _fromValue(written: string | Buffer): string {
    return uuidOf(written);
  }

  protected override _toValue(text: unknown): string | Buffer {
    if (typeof text !== 'string' || !UUID.test(text)) throw new Error('saw no UUID');
    return this.#isFixed ? Buffer.from(text.replaceAll('-', ''), 'hex') : text.toLowerCase();
  }
}

/**
 * The logical types with values that differ from the underlying ones. Times of day and microseconds stay
 * numbers.
 */
const MAPPED: Readonly<Record<string, new (schema: never, options: object) => AvscType>> = {
  date: DateType,
  'timestamp-millis': TimestampMillisType,
  decimal: DecimalType,
  uuid: UuidType,
};

export const logicalType = (name: unknown): (new (schema: never, options: object) => AvscType) | undefined =>
  typeof name === 'string' ? ownOf(MAPPED, name) : undefined;
