import { createHash } from 'node:crypto';

const digest = (draw: string): Buffer => createHash('sha256').update(draw).digest();

/** A number in [0, 1) with 48 random bits, derived from a text that `ProcessorContext.draw()` returned. */
export const drawnNumber = (draw: string): number => digest(draw).readUIntBE(0, 6) / 2 ** 48;

/** A version 8 UUID (RFC 9562: contents chosen by the application), derived from the same kind of text. */
export function drawnUuid(draw: string): string {
  const bytes = digest(draw).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
