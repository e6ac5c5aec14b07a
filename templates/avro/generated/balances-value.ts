// Written by millrace schema generate from balances-value.avsc: change the schema, then generate this file again.

/** The schema, for `avro`. */
export const balancesValueSchema: string = '{"type":"record","name":"Balance","namespace":"bank","doc":"What was paid to an account.","fields":[{"name":"payments","type":"int","doc":"How many."},{"name":"cents","type":{"type":"map","values":"long"},"doc":"How much, by currency."}]}';

/** What was paid to an account. */
export interface Balance {
  /** How many. */
  readonly payments: number;
  /** How much, by currency. */
  readonly cents: { readonly [key: string]: number };
}

/** {@link Balance} for writing: fields with a default may be left out. */
export type BalanceInput = Balance;
