import type { PartitionOffset } from '../../broker/port.js';
import type { ApplicationVersion } from './application-version.js';
import type { KeptPolicies } from './kept-policies.js';
import { addedTo } from './offset-texts.js';

/** What every committed offset says of the application. */
export interface ApplicationMarks {
  readonly applicationId: string;
  readonly version: ApplicationVersion;
  readonly kept: KeptPolicies | undefined;
}

/**
 * Adds the version and the error policies of the application to the metadata of every committed offset, so
 * that they cannot diverge from the group: `{ "format": 1, "generation": [n, prefix], "onError": [letters,
 * n], … }`. Left out: the version that every application begins with, and policies that were always the
 * default.
 */
export function withApplication(
  positions: readonly PartitionOffset[],
  { applicationId, version: { n, prefix }, kept }: ApplicationMarks,
): readonly PartitionOffset[] {
  const fields = {
    ...((n !== 0 || prefix !== applicationId) && { generation: [n, prefix] }),
    ...(kept && { onError: [kept.letters, kept.n] }),
  };
  if (Object.keys(fields).length === 0) return positions;
  return positions.map((at) => ({ ...at, metadata: addedTo(at.metadata, fields) }));
}
