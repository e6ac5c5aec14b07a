import { serdes, type Topology } from 'millrace';

/** What flows through every case: 100 bytes of JSON. */
export interface Event {
  readonly id: string;
  readonly version: number;
  readonly amount: number;
  readonly note: string;
}

/** What is measured on a broker that costs nothing. */
export interface Case {
  readonly title: string;
  readonly records: number;
  readonly topology: Topology;
  /** Key number and version of the record at an offset. */
  readonly shape: (offset: number) => { readonly key: number; readonly version: number };
  /** When it happened, in milliseconds from the first one. Default: a millisecond after the one before. */
  readonly at?: (offset: number) => number;
}

export const event = { key: serdes.string, value: serdes.json<Event>() };
