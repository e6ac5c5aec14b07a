declare module 'snappyjs' {
  export function compress(bytes: Buffer): Buffer;
  /** Refuses a stream that declares a length above `maxLength`. */
  export function uncompress(bytes: Buffer, maxLength: number): Buffer;
}
