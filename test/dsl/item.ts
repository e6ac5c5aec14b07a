/** What flows through the random pipelines. */
export interface Item {
  readonly n: number;
  readonly id: string;
  readonly version: number;
  readonly group: string;
}
