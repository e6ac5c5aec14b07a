import type { DeclaredGlobalTable, DeclaredRepartition, DeclaredSink, DeclaredSource } from './processor.js';

/** What operators say of a node; its id, and what it is piped from and to, are found by who declares it. */
export type SourceSpec = Omit<DeclaredSource, 'id' | 'outlet'>;
export type GlobalTableSpec = Omit<DeclaredGlobalTable, 'id'>;
export type RepartitionSpec = Omit<DeclaredRepartition, 'id' | 'input' | 'outlet' | 'table'>;
export type SinkSpec = Omit<DeclaredSink, 'id' | 'input'> & { readonly name?: string };
