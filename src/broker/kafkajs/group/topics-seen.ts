import type { Client } from '../connection/client.js';

/** The topics that there are of these, and their partitions, as a text: another one if any has changed. */
export async function topicsSeen(client: Client, names: readonly string[]): Promise<string> {
  const { topics } = await client.metadata(names);
  return topics
    .map(({ name, partitions }) => `${name} ${partitions.length}`)
    .sort()
    .join(', ');
}
