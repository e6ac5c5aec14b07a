import { createHash } from 'node:crypto';
import type { SourcePosition } from '../../model/record.js';

/** A digest of a record's position, the operator and how many were drawn before: the same whenever the record is processed again. */
function digest({ topic, partition, offset }: SourcePosition, operator: string, draw: number): Buffer {
  return createHash('sha256').update(`${topic}\n${partition}\n${offset}\n${operator}\n${draw}`).digest();
}

/** A number in [0, 1) with 48 random bits. */
export function positionRandom(position: SourcePosition, operator: string, draw: number): number {
  return digest(position, operator, draw).readUIntBE(0, 6) / 2 ** 48;
}

/** A version 8 UUID (RFC 9562: contents chosen by the application). */
export function positionUuid(position: SourcePosition, operator: string, draw: number): string {
  const bytes = digest(position, operator, draw).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
