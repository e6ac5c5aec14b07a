import type { LocalConnection } from '#src/broker/local/broker.js';
import type { Broker, Reader } from '#src/broker/port.js';

/** A connection whose partitions of the topic `in` answer only as long as they are not in the list. */
export function silencing(connection: LocalConnection, silent: ReadonlySet<number>): Broker {
  const quiet = (reader: Reader): Reader =>
    new Proxy(reader, {
      get: (target, name) => {
        if (name !== 'poll') {
          const value = Reflect.get(target, name);
          return typeof value === 'function' ? value.bind(target) : value;
        }
        return async (options: { maxRecords: number; maxWaitMs: number }) => {
          const mine = [...silent].map((partition) => ({ topic: 'in', partition }));
          target.pause(mine);
          const batches = await target.poll(options);
          target.resume(mine);
          return batches;
        };
      },
    });
  return new Proxy(connection as Broker, {
    get: (target, name) => {
      if (name === 'createReader') return async () => quiet(await target.createReader());
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
