import avsc from 'avsc';

/** What avsc reads from and writes to. It does not notice its end: whoever reads has to. */
export interface Tap {
  readonly buf: Buffer;
  pos: number;
  /** Items of arrays and maps that took no byte, so far. */
  empty?: number;
  readInt(): number;
  readLong(): number;
  skipLong(): void;
  writeLong(value: number): void;
  writeString(value: string): void;
  writeBytes(value: Uint8Array): void;
  /** So many bytes, without their number. */
  writeFixed(value: Uint8Array, length: number): void;
}

/** A type of avsc with what its subclasses need of it, and its own declarations do not say. */
export interface InnerType {
  readonly typeName: string;
  readonly branchName: string | undefined;
  _read(tap: Tap): unknown;
  _skip(tap: Tap): void;
  _write(tap: Tap, value: unknown): void;
}

export const { Type, types } = avsc;
export type AvscType = avsc.Type;

export const truncated = (): Error => new Error('saw fewer bytes than the schema says');
