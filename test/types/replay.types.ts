/** Compiled, never run: what looks into the past, and what puts an application back. */
import type { Broker, Topology } from '#src/index.js';
import {
  applyReset,
  type BisectOptions,
  type BisectResult,
  bisect,
  type ChangedRow,
  compare,
  type Disagreement,
  formatMoment,
  history,
  type Moment,
  type OutputComparison,
  type PastState,
  type PastStore,
  parseMoment,
  planReset,
  type RebuildReport,
  type ReplayedRecord,
  type ReplayReport,
  type ResetContext,
  type ResetPlan,
  type RowDifference,
  rebuildStore,
  replay,
  type ShadowStreams,
  ShadowTopics,
  type SilencedEffect,
  type SmallestSlice,
  type StateChange,
  smallestSlice,
  startShadow,
  stateAsOf,
  stateDiff,
  type Trace,
  type TraceStep,
  trace,
  type VerifyReport,
  verify,
} from '#src/replay/index.js';

declare const shop: Topology;
declare const other: Topology;
declare const broker: Broker;
declare const clock: ResetContext['clock'];

const latest: Moment = { kind: 'latest' };
const window = { key: 'ada', start: 0, end: 60_000 };
const stateDirectory = '.millrace/state';

export const moments = (): void => {
  parseMoment('ago:2h') satisfies Moment;
  parseMoment('latest', '--until') satisfies Moment;
  ({ kind: 'offset', offsets: [{ topic: 'payments', partition: 0, offset: 42 }] }) satisfies Moment;
  formatMoment(latest) satisfies string;
  // @ts-expect-error a moment is written, or an object that says its kind
  parseMoment(1_772_366_400_000);
  // @ts-expect-error a text is not a moment before it is parsed
  formatMoment('latest');
  // @ts-expect-error no Date
  ({ kind: 'time', time: new Date() }) satisfies Moment;
  // @ts-expect-error an offset is one of a partition
  ({ kind: 'offset', offsets: [{ topic: 'payments', offset: 42 }] }) satisfies Moment;
  // @ts-expect-error there is no such kind
  ({ kind: 'now' }) satisfies Moment;
};

export const replaying = async (): Promise<void> => {
  (await replay(shop, { broker })) satisfies ReplayReport;
  await replay(shop, {
    broker,
    from: { kind: 'earliest' },
    until: latest,
    key: 'ada',
    batchRecords: 1,
    inMemory: true,
  });
  await replay(shop, { broker, fromSnapshot: true, snapshots: { directory: 'snapshots', version: '1' } });
  await replay(shop, { broker, snapshots: { directory: 'snapshots', version: '1', every: { records: 100_000 } } });
  await replay(shop, {
    broker,
    onError: { deserialize: 'skip', process: { retry: 3, backoff: '1s', then: 'deadLetter' } },
  });
  await replay(shop, {
    broker,
    onOutput: (records) => void (records satisfies readonly ReplayedRecord[]),
    onEffect: async (effects) => void (effects satisfies readonly SilencedEffect[]),
  });
  // @ts-expect-error where the topics are
  await replay(shop, {});
  // @ts-expect-error a moment is parsed first
  await replay(shop, { broker, until: '2026-03-01' });
  // @ts-expect-error a moment is no time alone
  await replay(shop, { broker, from: Date.UTC(2026, 2, 1) });
  // @ts-expect-error a snapshot belongs to the code that made it
  await replay(shop, { broker, snapshots: { directory: 'snapshots' } });
  // @ts-expect-error after so many records, or whenever so much time has passed
  await replay(shop, { broker, snapshots: { directory: 'snapshots', version: '1', every: 100_000 } });
  // @ts-expect-error no such step
  await replay(shop, { broker, onError: { commit: 'skip' } });
  // @ts-expect-error the topology, not its name
  await replay('shop', { broker });
  // @ts-expect-error what it would have written cannot be changed
  await replay(shop, { broker, onOutput: (records) => void records.push() });
};

export const theStateThen = async (): Promise<void> => {
  const past = await stateAsOf(shop, { broker, asOf: latest });
  past satisfies PastState;
  for (const store of past.stores) {
    store satisfies PastStore;
    (await store.row('ada'))?.value satisfies unknown;
    (await store.windows('ada', { from: 0, to: 60_000 })) satisfies readonly (readonly [unknown, unknown])[];
    // @ts-expect-error how rows are kept is the store's own business
    store.kept();
    // @ts-expect-error nothing can be written into the past
    await store.put('ada', 1);
  }
  await past.close();
  // @ts-expect-error as of when
  await stateAsOf(shop, { broker });
  // @ts-expect-error where the topics are
  await stateAsOf(shop, { asOf: latest });
  // @ts-expect-error a moment is parsed first
  await stateAsOf(shop, { broker, asOf: 'latest' });
  // @ts-expect-error as of a moment, not up to one
  await stateAsOf(shop, { broker, asOf: latest, until: latest });
};

export const differing = async (): Promise<void> => {
  for await (const row of stateDiff(shop, { broker, before: latest, after: latest })) {
    row satisfies RowDifference;
    // @ts-expect-error what the row is depends on the store
    row.after satisfies string;
  }
  stateDiff(shop, { broker, before: latest, after: latest, store: 'balances', key: 'ada' });
  stateDiff(shop, { broker, before: latest, after: latest, store: 'visits', key: window });
  // @ts-expect-error two moments
  stateDiff(shop, { broker, before: latest });
  // @ts-expect-error one store, or all
  stateDiff(shop, { broker, before: latest, after: latest, store: ['balances'] });
  // @ts-expect-error a moment is parsed first
  stateDiff(shop, { broker, before: 'ago:2h', after: latest });
};

export const theHistoryOfARow = async (): Promise<void> => {
  for await (const change of history(shop, { broker, store: 'balances', key: 'ada' })) {
    change satisfies StateChange;
    change.event.eventId satisfies string | null;
    // @ts-expect-error what the row is depends on the store
    change.value.total;
    // @ts-expect-error what was cannot be changed
    change.before = null;
  }
  history(shop, { broker, store: 'visits', key: window, from: latest, until: latest });
  // @ts-expect-error of which store
  history(shop, { broker, key: 'ada' });
  // @ts-expect-error of which row
  history(shop, { broker, store: 'balances' });
  // @ts-expect-error where the topics are
  history(shop, { store: 'balances', key: 'ada' });
  // @ts-expect-error a moment is parsed first
  history(shop, { broker, store: 'balances', key: 'ada', until: 'latest' });
  // @ts-expect-error it is told change by change
  await history(shop, { broker, store: 'balances', key: 'ada' }).then();
};

export const bisecting = async (): Promise<void> => {
  const asked: BisectOptions = { broker, store: 'balances', when: ({ value }) => value.total < 0 };
  const found = await bisect(shop, asked);
  found satisfies BisectResult | undefined;
  await bisect(shop, { ...asked, key: 'ada', monotone: true, from: latest, until: latest });
  await bisect(shop, { ...asked, when: (row) => (row satisfies ChangedRow).key.end - row.key.start > 60_000 });
  // @ts-expect-error it may never hold
  found.change;
  // @ts-expect-error what is to hold
  await bisect(shop, { broker, store: 'balances' });
  // @ts-expect-error of which store
  await bisect(shop, { broker, when: () => true });
  // @ts-expect-error where the topics are
  await bisect(shop, { store: 'balances', when: () => true });
  // @ts-expect-error an expression is for the command line
  await bisect(shop, { broker, store: 'balances', when: 'value.total < 0' });
  // @ts-expect-error a row has no such field
  await bisect(shop, { ...asked, when: ({ after }) => after === null });

  if (!found) return;
  (await smallestSlice(shop, asked, found.change)) satisfies SmallestSlice;
  // @ts-expect-error what was found, not the whole answer
  await smallestSlice(shop, asked, found);
  // @ts-expect-error what was asked
  await smallestSlice(shop, { broker }, found.change);
  // @ts-expect-error it goes by what was found
  await smallestSlice(shop, asked);
};

export const tracing = async (): Promise<void> => {
  for await (const way of trace(shop, { broker, at: { topic: 'payments', partition: 0, offset: 42 } })) {
    way satisfies Trace;
    for (const step of way.steps) {
      step satisfies TraceStep;
      if (step.what === 'write') step.store satisfies string;
      // @ts-expect-error not every step is in a store
      step.store satisfies string;
      // @ts-expect-error there is no such step
      step.what === 'commit';
    }
  }
  trace(shop, { broker, key: 'card-7', from: latest, until: latest });
  // @ts-expect-error where the topics are
  trace(shop, { key: 'card-7' });
  // @ts-expect-error a position is an object
  trace(shop, { broker, at: 'payments:0:42' });
  // @ts-expect-error of a partition
  trace(shop, { broker, at: { topic: 'payments', offset: 42 } });
  // @ts-expect-error records are followed, whatever stores they come to
  trace(shop, { broker, key: 'card-7', store: 'balances' });
};

export const comparing = async (): Promise<void> => {
  (await compare(shop, other, { broker })) satisfies Disagreement | undefined;
  await compare(shop, other, { broker, applicationId: 'shop', from: latest, until: latest });
  // @ts-expect-error with what
  await compare(shop, { broker });
  // @ts-expect-error where the topics are
  await compare(shop, other, {});
  // @ts-expect-error both begin with nothing
  await compare(shop, other, { broker, snapshots: { directory: 'snapshots', version: '1' } });
  // @ts-expect-error a moment is parsed first
  await compare(shop, other, { broker, until: 'latest' });
};

export const verifying = async (): Promise<void> => {
  (await verify(shop, { broker })) satisfies VerifyReport;
  await verify(shop, { broker, seed: 7, from: latest, until: latest });
  // @ts-expect-error where the topics are
  await verify(shop, { seed: 7 });
  // @ts-expect-error a seed is a number
  await verify(shop, { broker, seed: 'random' });
  // @ts-expect-error each run begins with nothing
  await verify(shop, { broker, snapshots: { directory: 'snapshots', version: '1' } });
  // @ts-expect-error a moment is parsed first
  await verify(shop, { broker, from: 'ago:1d' });
};

export const puttingBack = async (): Promise<void> => {
  const plan = await planReset(shop, { broker, to: latest, stateDirectory, now: 0 });
  plan satisfies ResetPlan;
  await planReset(shop, { broker, to: latest, stateDirectory, now: 0, stores: 'keep', effects: 'capture' });
  (await applyReset(plan, { broker, stateDirectory, clock })) satisfies string;
  // @ts-expect-error to where
  await planReset(shop, { broker, stateDirectory, now: 0 });
  // @ts-expect-error a moment is parsed first
  await planReset(shop, { broker, to: 'earliest', stateDirectory, now: 0 });
  // @ts-expect-error the stores of this machine
  await planReset(shop, { broker, to: latest, now: 0 });
  // @ts-expect-error in a plan there is nothing by halves
  await planReset(shop, { broker, to: latest, stateDirectory, now: 0, stores: 'some' });
  // @ts-expect-error a plan is made first
  await applyReset(shop, { broker, stateDirectory, clock });
  // @ts-expect-error a plan that is awaited
  await applyReset(planReset(shop, { broker, to: latest, stateDirectory, now: 0 }), { broker, stateDirectory, clock });
  // @ts-expect-error where the stores are
  await applyReset(plan, { broker, clock });
  // @ts-expect-error a plan says exactly what is done
  plan.effects = 'live';
  // @ts-expect-error a plan of a reset is none of a rebuild
  await rebuildStore(shop, plan);
};

export const makingAnew = async (): Promise<void> => {
  const report = await rebuildStore(shop, { broker, store: 'balances', stateDirectory });
  report satisfies RebuildReport;
  await rebuildStore(shop, { broker, store: 'balances', stateDirectory, from: 'sources', confirm: async () => false });
  // @ts-expect-error which one
  await rebuildStore(shop, { broker, stateDirectory });
  // @ts-expect-error where the topics are
  await rebuildStore(shop, { store: 'balances', stateDirectory });
  // @ts-expect-error where the stores are
  await rebuildStore(shop, { broker, store: 'balances' });
  // @ts-expect-error from its changelog, or from the sources; no moment
  await rebuildStore(shop, { broker, store: 'balances', stateDirectory, from: latest });
  // @ts-expect-error what it reports is no plan
  await applyReset(report, { broker, stateDirectory, clock });
};

export const besideTheLiveOne = async (): Promise<void> => {
  const shadow = await startShadow(shop, { broker, stateDirectory, fresh: true });
  shadow satisfies ShadowStreams;
  (await shadow.compare()) satisfies readonly OutputComparison[];
  await shadow.streams.stop();
  // @ts-expect-error it has stores of its own
  await startShadow(shop, { broker });
  // @ts-expect-error calls of a shadow are always left out
  await startShadow(shop, { broker, stateDirectory, effects: 'live' });
  // @ts-expect-error it begins where the topics do
  await startShadow(shop, { broker, stateDirectory, startFrom: 'latest' });

  const topics = new ShadowTopics(broker, 'check-');
  await replay(shop, { broker, onOutput: (records) => topics.write(records) });
  await topics.close();
  // @ts-expect-error what their names begin with
  new ShadowTopics(broker);
  // @ts-expect-error what a replay gives
  await topics.write(['payment']);
};
