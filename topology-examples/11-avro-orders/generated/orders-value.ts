// Written by millrace schema generate from orders-value.avsc: change the schema, then generate this file again.

/** The schema, for `avro`. */
export const ordersValueSchema: string = '{"type":"record","name":"Order","namespace":"shop","doc":"An order that was placed.","fields":[{"name":"id","type":"string","doc":"Unique."},{"name":"customer","type":"string"},{"name":"cents","type":"long"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"currency","type":{"type":"enum","name":"Currency","symbols":["EUR","SEK"]},"default":"EUR","doc":"Since version 2; before, everything was in euros."}]}';

/** An order that was placed. */
export interface Order {
  /** Unique. */
  readonly id: string;
  readonly customer: string;
  readonly cents: number;
  readonly at: Date;
  /** Since version 2; before, everything was in euros. */
  readonly currency: Currency;
}

/** {@link Order} for writing: fields with a default may be left out. */
export interface OrderInput {
  /** Unique. */
  readonly id: string;
  readonly customer: string;
  readonly cents: number;
  readonly at: Date;
  /** Since version 2; before, everything was in euros. */
  readonly currency?: Currency | undefined;
}

export type Currency = 'EUR' | 'SEK';
