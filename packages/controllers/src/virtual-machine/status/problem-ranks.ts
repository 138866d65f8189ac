// Which of several problems is told first: what the user must change, then what others must, then what only takes time. Pure.

import type { Problem } from "../plan/input.ts";

const ranks: Readonly<Record<Problem["reason"], number>> = {
  InvalidSpec: 0,
  Unsupported: 0,
  AddressInUse: 0,
  InvalidUserData: 0,
  ProviderNotFound: 1,
  ClassNotFound: 2,
  ImageNotFound: 3,
  NetworkNotFound: 4,
  NetworkNotReady: 7,
  SecretNotFound: 5,
  VolumeNotFound: 5,
  VolumeNotReady: 7,
  SnapshotNotFound: 5,
  SnapshotNotReady: 7,
  PoolFull: 6,
  ImageFailed: 6,
  ImageNotReady: 7,
  CloneNotFound: 3,
  CloneFailed: 6,
  CloneNotReady: 7,
  DomainNotFound: 0,
  DomainNotFree: 0,
  NoHostFits: 6,
  HostFull: 6,
};

export function rankOf(problem: Problem): number {
  return ranks[problem.reason];
}
