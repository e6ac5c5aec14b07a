// Written by millrace schema generate from customers-value.avsc: change the schema, then generate this file again.

/** The schema, for `avro`. */
export const customersValueSchema: string = '{"type":"record","name":"Customer","namespace":"shop","doc":"What is known of a customer.","fields":[{"name":"orders","type":"int","doc":"How many."},{"name":"cents","type":"long","doc":"What they cost together, in euros."},{"name":"foreign","type":{"type":"map","values":"long"},"default":{},"doc":"Since version 2: what was paid in other currencies, by currency."}]}';

/** What is known of a customer. */
export interface Customer {
  /** How many. */
  readonly orders: number;
  /** What they cost together, in euros. */
  readonly cents: number;
  /** Since version 2: what was paid in other currencies, by currency. */
  readonly foreign: { readonly [key: string]: number };
}

/** {@link Customer} for writing: fields with a default may be left out. */
export interface CustomerInput {
  /** How many. */
  readonly orders: number;
  /** What they cost together, in euros. */
  readonly cents: number;
  /** Since version 2: what was paid in other currencies, by currency. */
  readonly foreign?: { readonly [key: string]: number } | undefined;
}
