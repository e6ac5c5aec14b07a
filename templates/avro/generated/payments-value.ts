// Written by millrace schema generate from payments-value.avsc: change the schema, then generate this file again.

/** The schema, for `avro`. */
export const paymentsValueSchema: string = '{"type":"record","name":"Payment","namespace":"bank","doc":"A payment to an account.","fields":[{"name":"account","type":"string"},{"name":"cents","type":"long"},{"name":"currency","type":"string","default":"EUR"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}';

/** A payment to an account. */
export interface Payment {
  readonly account: string;
  readonly cents: number;
  readonly currency: string;
  readonly at: Date;
}

/** {@link Payment} for writing: fields with a default may be left out. */
export interface PaymentInput {
  readonly account: string;
  readonly cents: number;
  readonly currency?: string | undefined;
  readonly at: Date;
}
