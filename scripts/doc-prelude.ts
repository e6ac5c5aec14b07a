// What the examples in doc comments may use without declaring it. An example names here what is not its point; what is
// its point, it declares itself. Only types are checked: nothing of this ever runs.
import type { Broker, Stream, Table, Topology, TopologyBuilder } from 'millrace';

export interface Payment {
  readonly eventId: string;
  readonly version: number;
  readonly account: string;
  readonly amount: number;
  readonly currency: string;
  readonly at: number;
}

export interface Account {
  readonly owner: string;
  readonly country: string;
}

export interface Balance {
  readonly total: number;
}

export interface Order {
  readonly orderId: string;
  readonly version: number;
  readonly customer: string;
  readonly amount: number;
  readonly items: readonly string[];
}

export interface Shipment {
  readonly carrier: string;
}

export interface Placed {
  readonly type: 'placed';
  readonly total: number;
}

export interface Shipped {
  readonly type: 'shipped';
  readonly carrier: string;
}

export interface Measurement {
  readonly measuredAt: number;
}

/** The builder that a topology function is given. */
export declare const t: TopologyBuilder;

/** Keyed by account. */
export declare const payments: Stream<string, Payment>;
/** Keyed by account. */
export declare const refunds: Stream<string, Payment>;
/** Keyed by page. */
export declare const clicks: Stream<string, string>;
/** Keyed by user. */
export declare const logins: Stream<string, { readonly ok: boolean }>;
/** Keyed by sensor. */
export declare const readings: Stream<string, number>;
/** Keyed by order. */
export declare const orders: Stream<string, Order>;
/** Keyed by order. */
export declare const shipments: Stream<string, Shipment>;
/** Keyed by order. */
export declare const orderEvents: Stream<string, Placed | Shipped>;
/** Keyed by sensor. */
export declare const positions: Stream<string, Measurement>;
/** Keyed by account. */
export declare const amounts: Stream<string, number>;
/** Keyed by word. */
export declare const words: Stream<string, string>;
/** Keyed by whatever, lines of text. */
export declare const lines: Stream<string, string>;

/** Keyed by account. */
export declare const accounts: Table<string, Account>;
/** Keyed by account. */
export declare const balances: Table<string, Balance>;

/** A topology with the stores `balances` and `orders`, and where its topics are. */
export declare const shop: Topology;
export declare const broker: Broker;
