// The daemon's part in opening a connection, for fake daemons.

import type { Message } from "../framing/message.ts";
import { authList, connectOpen, connectSupportsFeature } from "../protocol/connect.ts";
import { domainEventRegister } from "../protocol/domain-event.ts";
import { networkEventRegister, storagePoolEventRegister } from "../protocol/object-event.ts";
import type { FakePeer } from "./fake-daemon.ts";

/** Answers what opens a connection; true when it did. */
export function answerOpening(call: Message, peer: FakePeer): boolean {
  switch (call.procedure) {
    case authList.number:
      peer.reply(call, authList, { types: [] });
      return true;
    case connectSupportsFeature.number:
      peer.reply(call, connectSupportsFeature, { isSupported: true });
      return true;
    case connectOpen.number:
      peer.reply(call, connectOpen, {});
      return true;
    case networkEventRegister.number:
    case storagePoolEventRegister.number:
    case domainEventRegister.number:
      peer.reply(call, domainEventRegister, { callbackId: 0 });
      return true;
    default:
      return false;
  }
}
