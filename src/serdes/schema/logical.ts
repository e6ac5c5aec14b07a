import type { Logical, PrimitiveName } from './model.js';

/**
 * The logical type if it is supported and fits its underlying type; the specification requires that others
 * are ignored.
 */
export function logicalOf(
  kind: PrimitiveName | 'fixed',
  size: number | undefined,
  json: Readonly<Record<string, unknown>>,
): Logical | undefined {
  switch (json.logicalType) {
    case 'date':
    case 'time-millis':
      return kind === 'int' ? { name: json.logicalType } : undefined;
    case 'time-micros':
    case 'timestamp-millis':
    case 'timestamp-micros':
      return kind === 'long' ? { name: json.logicalType } : undefined;
    case 'uuid':
      return kind === 'string' || (kind === 'fixed' && size === 16) ? { name: 'uuid' } : undefined;
    case 'decimal': {
      const { precision, scale = 0 } = json as { precision?: number; scale?: number };
      const whole = Number.isInteger(precision) && Number.isInteger(scale);
      // The most decimal digits that this many bytes can hold.
      const room = size === undefined ? Number.POSITIVE_INFINITY : Math.floor(Math.log10(2) * (8 * size - 1));
      const fits =
        whole &&
        (precision as number) > 0 &&
        scale >= 0 &&
        scale <= (precision as number) &&
        (precision as number) <= room;
      return fits && (kind === 'bytes' || kind === 'fixed')
        ? { name: 'decimal', precision: precision as number, scale }
        : undefined;
    }
    default:
      return undefined;
  }
}
