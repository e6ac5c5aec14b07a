declare module 'snappyjs' {
  export function compress(bytes: Buffer): Buffer;
  /** Refuses a stream that says it is longer than `maxLength`. */
  export function uncompress(bytes: Buffer, maxLength: number): Buffer;
}
