// The administrator's token: random, made once, and known to who can read the state dir.

import { createHash, timingSafeEqual } from "node:crypto";
import type { UserInfo } from "@vivarium/api";
import type { TokenAuthenticator } from "@vivarium/apiserver";

const administrator: UserInfo = { name: "vivarium-admin", groups: ["system:masters", "system:authenticated"] };

export function administratorToken(token: string): TokenAuthenticator {
  const wanted = digest(token);
  return {
    async authenticate(given, audiences) {
      return timingSafeEqual(digest(given), wanted) ? { user: administrator, audiences } : undefined;
    },
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
