// Where one server keeps everything that is its own: database, keys, kubeconfig, images, logs. One place, so that removing Vivarium
// from a machine is removing one folder.

import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

export interface StateDir {
  readonly path: string;
  readonly database: string;
  readonly lock: string;
  /** Who serves now: pid, URL. Written after the lock is taken. */
  readonly serverInfo: string;
  readonly serverLog: string;
  readonly kubeconfig: string;
  readonly pki: string;
  readonly images: string;
  /** Files of images that were made of VMs. */
  readonly exports: string;
  /** What providers remember of their hosts. */
  readonly memo: string;
  /** The key pair made when the user has none. */
  readonly sshKey: string;
  readonly knownHosts: string;
}

/** Pure: the folder that these settings mean. `--state-dir`, then VIV_STATE_DIR, then the usual place for this user. */
export function stateDirPath(
  settings: { readonly flag?: string | undefined },
  host: { readonly env: Readonly<Record<string, string | undefined>>; readonly uid: number; readonly home: string },
): string {
  const given = settings.flag ?? host.env["VIV_STATE_DIR"];
  if (given !== undefined && given !== "") return resolve(given);
  if (host.uid === 0) return "/var/lib/vivarium";
  const xdg = host.env["XDG_STATE_HOME"];
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(host.home, ".local", "state");
  return join(base, "vivarium");
}

export function stateDirAt(path: string): StateDir {
  return {
    path,
    database: join(path, "vivarium.db"),
    lock: join(path, "server.lock"),
    serverInfo: join(path, "server.json"),
    serverLog: join(path, "server.log"),
    kubeconfig: join(path, "kubeconfig"),
    pki: join(path, "pki"),
    images: join(path, "images"),
    exports: join(path, "exports"),
    memo: join(path, "host-memo.json"),
    sshKey: join(path, "id_ed25519"),
    knownHosts: join(path, "known_hosts"),
  };
}

export function currentStateDir(flag: string | undefined): StateDir {
  return stateDirAt(stateDirPath({ flag }, { env: process.env, uid: process.getuid?.() ?? -1, home: homedir() }));
}

/** Makes the folder, readable by its owner alone. */
export function makeStateDir(stateDir: StateDir): void {
  mkdirSync(stateDir.path, { recursive: true, mode: 0o700 });
}
