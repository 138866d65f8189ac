// The arguments for the system's ssh, and what it runs on the other side. Nothing here goes through a local shell; the remote
// one gets each word quoted. No word of a URI can become an option or a command.

export interface SshTarget {
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
  readonly keyFile?: string;
  readonly knownHostsFile?: string;
  /** Takes any host key. Only for who has said so. */
  readonly isUnverified?: boolean;
  /** How the other side reaches its daemon, as libvirt's `proxy`: `auto` takes virt-ssh-helper where it is, netcat else. */
  readonly proxy: "auto" | "native" | "netcat";
  /** Program for `netcat`. */
  readonly netcat?: string;
  /** Socket of the daemon, for `netcat`. */
  readonly socket: string;
  /** For virt-ssh-helper, which finds the socket by it. */
  readonly driverUri: string;
}

/** Names and addresses; no shell or ssh syntax, no leading dash. */
export function isSafeHost(host: string): boolean {
  return /^[A-Za-z0-9_:][A-Za-z0-9_.:-]*(%[A-Za-z0-9_.-]+)?$/.test(host);
}

export function isSafeUser(user: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.@+\\-]*\$?$/.test(user);
}

/** ssh expands % and ~ and ${} in names of files, and reads values of -o by its own quoting. */
export function isSafeFile(path: string): boolean {
  return /^\/[^"%$~\p{Cc}]*$/u.test(path);
}

export function sshArguments(target: SshTarget): readonly string[] {
  return [
    ...(target.port === undefined ? [] : ["-p", String(target.port)]),
    ...(target.user === undefined ? [] : ["-l", target.user]),
    ...(target.keyFile === undefined ? [] : ["-i", target.keyFile, "-o", "IdentitiesOnly=yes"]),
    ...["-T", "-e", "none", "-o", "BatchMode=yes"],
    ...["-o", `StrictHostKeyChecking=${target.isUnverified === true ? "no" : "yes"}`],
    ...(target.knownHostsFile === undefined ? [] : ["-o", `UserKnownHostsFile="${target.knownHostsFile}"`]),
    ...["--", target.host, `sh -c ${quoted(remoteScript(target))}`],
  ];
}

function remoteScript(target: SshTarget): string {
  const helper = `exec virt-ssh-helper ${quoted(target.driverUri)}`;
  const netcat = quoted(target.netcat ?? "nc");
  // Some netcats stay after the end of input unless told not to; others do not know that option.
  const byNetcat =
    `if ${netcat} -q 2>&1 | grep "requires an argument" >/dev/null 2>&1; then arg=-q0; else arg=; fi; ` +
    `exec ${netcat} $arg -U ${quoted(target.socket)}`;
  switch (target.proxy) {
    case "native":
      return helper;
    case "netcat":
      return byNetcat;
    case "auto":
      return `if command -v virt-ssh-helper >/dev/null 2>&1; then ${helper}; else ${byNetcat}; fi`;
  }
}

/** One word for a POSIX shell, whatever it holds. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
