/** A process that commits transactions of ten records and says how many records are committed, until it is killed. */
import { join, numbered } from './contract.support.js';
import { ManualClock, openRocks } from './local.support.js';

const [directory = ''] = process.argv.slice(2);
const broker = await openRocks(directory, new ManualClock());
await broker.admin.createTopics([{ name: 'payments', partitions: 1 }]);
const { membership } = await join(broker, 'group', ['payments']);
const writer = await broker.createWriter({ transactionalId: 'id' });
for (let from = 0; ; from += 10) {
  await writer.begin();
  await writer.write(numbered('payments', 10, from));
  await writer.sendOffsets(membership, [{ topic: 'payments', partition: 0, offset: from + 10 }]);
  await writer.commit();
  process.send?.(from + 10);
}
