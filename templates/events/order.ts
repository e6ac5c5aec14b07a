/** What happened to an order. Senders repeat events that were not acknowledged, and events overtake each other. */
export interface OrderEvent {
  /** The same each time this event is sent. */
  readonly eventId: string;
  readonly order: string;
  /** Counted by the sender for each order: 1, 2, 3 … */
  readonly version: number;
  readonly type: 'placed' | 'paid' | 'shipped' | 'cancelled';
  /** The amount in cents. Only events `placed` have one. */
  readonly cents?: number;
}

/** An order, as its events have made it. */
export interface Order {
  readonly status: OrderEvent['type'];
  readonly cents: number;
  readonly version: number;
}

type Status = Order['status'] | 'none';

/** From which states an event may come. */
const FROM: Readonly<Record<OrderEvent['type'], readonly Status[]>> = {
  placed: ['none'],
  paid: ['placed'],
  shipped: ['paid'],
  cancelled: ['placed', 'paid'],
};

/** An order after one more event. Throws for an event that contradicts the ones before it. */
export function apply(order: Order | null, { type, version, cents }: OrderEvent): Order {
  const status = order?.status ?? 'none';
  if (!FROM[type].includes(status)) throw new Error(`an order that is ${status} cannot be ${type}`);
  return { status: type, cents: cents ?? order?.cents ?? 0, version };
}
