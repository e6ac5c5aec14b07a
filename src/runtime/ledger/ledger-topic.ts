import type { Admin, TopicDescription } from '../../broker/port.js';
import { ledgerTopic } from '../../graph/naming.js';
import { isStreamsError, StreamsError } from '../../model/errors.js';
import { foundOwner, isForeign, owned, type TopicOwner } from '../topics/topic-owners.js';
import { LEDGER_CONFIG } from '../topics/topic-uses.js';

/** The ledger keeps the name of its application, whatever version is live. */
const ownerOfLedger = (applicationId: string): TopicOwner => ({ prefix: applicationId, kind: 'application' });

/**
 * The ledger of an application; undefined if there is none yet. Errors: TOPIC_FOREIGN if a topic of this name
 * belongs to another application, or to somebody who is not millrace.
 */
export async function findLedger(admin: Admin, applicationId: string): Promise<TopicDescription | undefined> {
  const [found] = await admin.describeTopics([ledgerTopic(applicationId)]);
  // Settings that may not be read prove nothing, and reading does no harm.
  if (found && found.config !== null) checkOwn(found, applicationId);
  return found;
}

/**
 * The ledger of an application, to be written; creates it if it is missing. Errors: TOPIC_FOREIGN unless the
 * topic says that it belongs to the application; TOPIC_MISMATCH if it does not keep its entries.
 */
export async function ensureLedger(admin: Admin, applicationId: string): Promise<string> {
  const name = ledgerTopic(applicationId);
  const found = await findLedger(admin, applicationId);
  if (found) {
    checkOwn(found, applicationId);
    checkKeeping(found);
    return name;
  }
  try {
    const config = owned(LEDGER_CONFIG, ownerOfLedger(applicationId));
    await admin.createTopics([{ name, partitions: 1, config }]);
  } catch (error) {
    // Another process was faster: its topic is checked as any other.
    if (!isStreamsError(error) || error.code !== 'TOPIC_EXISTS') throw error;
    return ensureLedger(admin, applicationId);
  }
  return name;
}

function checkOwn(topic: TopicDescription, applicationId: string): void {
  const owner = ownerOfLedger(applicationId);
  const found = foundOwner(topic);
  if (found !== undefined && !isForeign(topic, owner)) return;
  const expected = Object.entries(owned({}, owner)).map(([setting, value]) => `${setting}=${value}`);
  throw new StreamsError('TOPIC_FOREIGN', {
    what: `the topic has the name of the ledger of ${applicationId}, and does not say that it is`,
    at: topic.name,
    saw:
      found !== undefined
        ? `a topic of ${found.prefix}`
        : topic.config === null
          ? 'settings that may not be read (DescribeConfigs)'
          : 'settings that name no owner',
    expected: expected.join(', '),
    action:
      topic.config === null
        ? 'Grant this principal the right DescribeConfigs on the topic.'
        : "If it is somebody else's, rename it, or give the application another id. If it is the ledger, set this with kafka-configs.sh --alter --add-config.",
  });
}

function checkKeeping({ name, config }: TopicDescription): void {
  const policy = config?.['cleanup.policy'];
  if (policy === 'compact') return;
  throw new StreamsError('TOPIC_MISMATCH', {
    what: 'the ledger would lose entries',
    at: name,
    saw: `cleanup.policy=${policy ?? 'delete'}`,
    expected: 'cleanup.policy=compact',
    action: 'Set this with kafka-configs.sh --alter --add-config.',
  });
}
