const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * Converts big-endian two's complement to a decimal with that many digits after the point. Empty bytes are
 * zero.
 */
export function decimalOf(bytes: Buffer, scale: number): string {
  let unscaled = bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`);
  if (bytes.length > 0 && (bytes[0] as number) >= 0x80) unscaled -= 1n << BigInt(8 * bytes.length);
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${negative ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`;
}

/**
 * Converts a decimal to big-endian two's complement: as few bytes as hold it, or the size of a fixed. Throws
 * if it has more digits than the type, on either side of the point.
 */
export function decimalBytes(
  text: string,
  { precision, scale, size }: { readonly precision: number; readonly scale: number; readonly size: number | undefined },
): Buffer {
  const match = DECIMAL.exec(text);
  if (!match) throw new Error('saw a string that is not a decimal, expected a string such as "12.50"');
  const [, sign = '', whole = '', fraction = ''] = match;
  if (/[1-9]/.test(fraction.slice(scale))) throw new Error(`saw more than ${scale} digits after the point`);
  const digits = `${whole}${fraction.slice(0, scale).padEnd(scale, '0')}`.replace(/^0+(?=\d)/, '');
  if (digits.length > precision && digits !== '0')
    throw new Error(`saw ${digits.length} digits, expected at most ${precision}`);
  const unscaled = sign === '-' ? -BigInt(digits) : BigInt(digits);
  const length = size ?? lengthOf(unscaled);
  const hex = BigInt.asUintN(8 * length, unscaled)
    .toString(16)
    .padStart(2 * length, '0');
  return Buffer.from(hex, 'hex');
}

/** The fewest bytes that hold a number and its sign. */
function lengthOf(value: bigint): number {
  const bits = (value < 0n ? ~value : value).toString(2).length + 1;
  return value === 0n || value === -1n ? 1 : Math.ceil(bits / 8);
}
