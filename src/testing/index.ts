/**
 * The tools for tests: the driver and a manual clock. No test runner is imported.
 *
 * @module millrace/testing
 */

export { disorder } from '../model/disorder.js';
export { seededRandom } from '../model/random.js';
export type { InputRecord, TopicSerdes } from '../runtime/send.js';
export type { StoreView } from '../runtime/store-view.js';
export { TestDriver, type TestDriverOptions } from './driver.js';
export type { DeliveryFaults, TestInput, TestInputOptions, TestOutput } from './driver-topics.js';
export { ManualClock } from './manual-clock.js';
export type { SeededRow } from './seed.js';
export type { OutputRecord } from './topics.js';
