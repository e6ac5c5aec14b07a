/** The topics that a workload reads and writes. */
export interface Topics {
  readonly input: string;
  /** Only read by the join. */
  readonly table: string;
  readonly output: string;
}

/** A JSON value that is passed on as the bytes it came in: only its fields are looked at. */
export const fieldsOf = <T>(value: Buffer): T => JSON.parse(value.toString()) as T;
