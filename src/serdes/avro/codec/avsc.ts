import avsc from 'avsc';

/** The buffer that avsc reads from and writes to. It does not check its end: readers must. */
export interface Tap {
  readonly buf: Buffer;
  pos: number;
  /** Items of arrays and maps so far that took no byte. */
  empty?: number;
  readInt(): number;
  readLong(): number;
  skipLong(): void;
  writeLong(value: number): void;
  writeString(value: string): void;
  writeBytes(value: Uint8Array): void;
  /** Writes the bytes without their length. */
  writeFixed(value: Uint8Array, length: number): void;
}

/** A type of avsc, with the members that subclasses need and that avsc's own declarations lack. */
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
