"""A small internet of real SIP and XMPP peers, one network namespace per host.

The commands install, up, down, status and exec beside this file call the
functions of the same name here.  All state and all logs are under /run/lab;
no host has a route out of the lab.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
RUN = Path("/run/lab")
CONF = RUN / "conf"                     # a copy of conf/, for daemons that are not root
TLS = RUN / "tls"
ETC = RUN / "etc"                       # what every host sees over /etc
GATEWAYS = ("gw", "gw2")                # they see the same, and of their own:
GW_CERTIFICATES = "etc/dragoman/certs"  # /etc/dragoman/certs, which is this under RUN / HOST
GW_STATE = "state"                      # GW_HOME
GW_HOME = Path("/var/lib/dragoman")
GW_PLACES = (Path("/etc/dragoman"), GW_HOME)
NETNS_ETC = Path("/etc/netns")

NET = "198.51.100"                      # TEST-NET-2, RFC 5737
SWITCH = "lab-switch"                   # the namespace that holds the bridge
HOSTS = {
    "dns": f"{NET}.2",
    "gw": f"{NET}.10",                  # the gateway under test
    "media": f"{NET}.11",               # rtpengine
    "gw2": f"{NET}.12",                 # a second gateway, for loops
    "prosody": f"{NET}.20",             # xmpp.example
    "ejabberd": f"{NET}.21",            # jabber.example
    "selfsigned": f"{NET}.22",          # selfsigned.example (Prosody)
    "kamailio": f"{NET}.30",            # sip.example, sips.example
    "alice": f"{NET}.40",               # XMPP clients
    "bob": f"{NET}.41",
    "carol": f"{NET}.50",               # SIP clients
    "dave": f"{NET}.51",
}

PASSWORD = "secret"                     # everyone's; conf/kamailio.cfg has it too
XMPP_USERS = {
    "xmpp.example": ("alice", "anna"),
    "jabber.example": ("bob", "bella"),
    "selfsigned.example": ("sam",),
}

# The names in each certificate that the lab's CA signs.
CERTIFICATES = {
    "prosody": ["xmpp.example", "*.xmpp.example", "prosody.lab.example"],
    "ejabberd": ["jabber.example", "*.jabber.example", "ejabberd.lab.example"],
    "kamailio": ["sip.example", "sips.example", "kamailio.lab.example"],
    **{name: [f"{name}.lab.example"] for name in ("carol", "dave", "media")},   # for MSRP, TURN
    # The gateway stands for the SIP domains on XMPP and for the XMPP domains on SIP.
    "gw": ["gw.lab.example", "sip.example", "*.sip.example", "sips.example",
           "xmpp.example", "*.xmpp.example", "jabber.example", "*.jabber.example",
           "selfsigned.example", "*.broken.example", "*.mirror.example",
           "*.sipp.example"],
}

SELFSIGNED = ["selfsigned.example", "*.selfsigned.example"]

# Who also has a certificate that ended long ago, one with another name, one for servers only.
FLAWS = ("expired", "wrong-name", "server-only")
FLAWED = ("prosody", "ejabberd", "selfsigned", "gw")

PACKAGES = {
    "the lab": "iproute2 iptables procps openssl unbound bind9-dnsutils",
    "servers": "prosody prosody-modules lua-unbound ejabberd kamailio"
               " kamailio-presence-modules kamailio-tls-modules kamailio-extra-modules"
               " rtpengine-daemon coturn",
    "SIP clients": "baresip-core baresip-ffmpeg linphone-cli sip-tester"
                   " python3-twisted python3-greenlet",
    "XMPP clients": "python3-slixmpp python3-aiohttp profanity-light python3-pyte"
                    " libqxmpp-dev pkg-config g++"
                    " gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-nice",
    "capture": "tshark tcpdump sngrep",
    "what bans scanners": "fail2ban",
}
MORE = "libervia-backend libervia-cli dino-im xvfb xdotool imagemagick dbus at-spi2-core" \
       " python3-gi gir1.2-atspi-2.0 pulseaudio pulseaudio-utils gstreamer1.0-pulseaudio" \
       " gstreamer1.0-plugins-bad chromium libnss3-tools"
NPM = ("stanza@12.22.1", "events@3.3.0", "esbuild@0.28.2")
LIBRARY = Path("/opt/lab/stanza.js")    # of peers/webrtc_user: the first two, in one script


class Service:
    """A daemon on a host: it is up once it listens on PORT ("tcp 5269")."""

    def __init__(self, host, port, *command):
        self.host, self.port, self.command = host, port, [str(word) for word in command]
        self.log = RUN / "log" / f"{host}.log"

    def start(self):
        with self.log.open("ab") as log:
            subprocess.Popen(inside(self.host, self.command), stdin=subprocess.DEVNULL,
                             stdout=log, stderr=log, start_new_session=True, cwd="/")

    def listens(self, port=""):
        protocol, number = (port or self.port).split()
        sockets = run(*inside(self.host, ["ss", "-Hln", f"--{protocol}", f"sport = :{number}"]))
        return bool(sockets.strip())


def ejabberdctl(*arguments):
    state = RUN / "ejabberd"
    return ["ejabberdctl", "--config-dir", CONF, "--logs", state, "--spool", state, *arguments]


SERVICES = [
    Service("dns", "udp 53", "unbound", "-d", "-p", "-c", CONF / "unbound.conf"),
    Service("prosody", "tcp 5269", "prosody", "-F", "--config", CONF / "prosody.cfg.lua"),
    Service("selfsigned", "tcp 5269", "prosody", "-F", "--config", CONF / "selfsigned.cfg.lua"),
    Service("ejabberd", "tcp 5269", *ejabberdctl("foreground")),
    Service("kamailio", "tcp 5061", "kamailio", "-DD", "-E", "-m", "256",
            "-f", CONF / "kamailio.cfg", "-Y", RUN / "kamailio"),
    Service("media", "udp 2223", "env", f"OPENSSL_CONF={CONF / 'rtpengine-openssl.cnf'}",
            "rtpengine", "--foreground", "--log-stderr", "--table=-1",
            f"--interface={HOSTS['media']}", f"--listen-ng={HOSTS['media']}:2223",
            "--port-min=30000", "--port-max=30999"),
]


# The modes of the XMPP servers: what is written instead of what in a file of conf/, or the change
# for each of several files, by a function of their text.  In "normal" nothing is.

UNSIGNED = {                            # nobody knows the other's authority
    "prosody.cfg.lua": {
        "tls/prosody.": "tls/prosody-unsigned.",
        'cafile = "/run/lab/tls/ca.crt"': 'cafile = "/run/lab/tls/prosody-unsigned.crt";'
                                          ' capath = "/run/lab/none"',
        "s2s_secure_auth = true": "s2s_secure_auth = false",
    },
    "selfsigned.cfg.lua": {
        'selfsigned.key";': 'selfsigned.key"; cafile = "/run/lab/tls/selfsigned.crt";'
                            ' capath = "/run/lab/none";',
    },
    "ejabberd.yml": {
        "tls/ejabberd.": "tls/ejabberd-unsigned.",
        "ca_file: /run/lab/etc/ssl/certs/ca-certificates.crt":
            "ca_file: /run/lab/tls/ejabberd-unsigned.crt",
    },
}
PLAIN = {                               # neither offers TLS to servers nor takes it
    "prosody.cfg.lua": {
        "s2s_require_encryption = true": "s2s_require_encryption = false\n"
                                         "s2s_allow_encryption = false",
        "s2s_secure_auth = true": "s2s_secure_auth = false",
        "s2s_direct_tls_ports = { 5270 }": "s2s_direct_tls_ports = { }",
    },
    "selfsigned.cfg.lua": {
        "s2s_require_encryption = true": "s2s_require_encryption = false\n"
                                         "s2s_allow_encryption = false",
        "s2s_direct_tls_ports = { 5270 }": "s2s_direct_tls_ports = { }",
    },
    "ejabberd.yml": {
        "s2s_use_starttls: required": "s2s_use_starttls: false",
        "  - {port: 5270, module: ejabberd_s2s_in, tls: true}\n": "",
    },
}
STARTTLS_RECORD = "_xmpp-server._tcp            SRV"
DIRECT = {                              # the port and the record for STARTTLS are not there
    "prosody.cfg.lua": {"s2s_direct_tls_ports": "s2s_ports = { }\ns2s_direct_tls_ports"},
    "selfsigned.cfg.lua": {"s2s_direct_tls_ports": "s2s_ports = { }\ns2s_direct_tls_ports"},
    "ejabberd.yml": {"  - {port: 5269, module: ejabberd_s2s_in}\n": ""},
    **{f"zones/{domain}.example.zone": {STARTTLS_RECORD: f"; {STARTTLS_RECORD}"}
       for domain in ("xmpp", "jabber", "selfsigned", "sip")},
}
NO_DIALBACK = {
    "prosody.cfg.lua": {' "dialback";': ""},
    "selfsigned.cfg.lua": {' "dialback";': ""},
    "ejabberd.yml": {"  mod_s2s_dialback: {}\n": ""},
}
MODES = {
    "normal": {},
    "external-only": NO_DIALBACK,
    "dialback-only": UNSIGNED,
    "direct-tls-only": DIRECT,
    "no-tls": PLAIN,
    "no-acks": {"prosody.cfg.lua": {' "smacks";': ""}},
    **{flaw: {f"{host}.{kind}": {f"tls/{host}.": f"tls/{host}-{flaw}."}
              for host, kind in (("prosody", "cfg.lua"), ("selfsigned", "cfg.lua"),
                                 ("ejabberd", "yml"))}
       for flaw in FLAWS},
}
XMPP_SERVERS = ("prosody", "selfsigned", "ejabberd")
MODE = RUN / "mode"                     # which is in force


# -- the commands ----------------------------------------------------------------

def install(arguments):
    """Install what is missing, without starting the services of the Debian packages."""
    need_root()
    if arguments not in ([], ["--all"]):
        sys.exit("usage: tests/lab/install [--all]")
    wanted = " ".join([*PACKAGES.values(), MORE if arguments else ""]).split()
    listed = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", check=False)
    present = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    missing = [package for package in wanted if package not in present]
    if arguments and not LIBRARY.exists() and not shutil.which("npm"):
        missing.append("npm")
    if missing:
        install_packages(missing)
    if arguments and not LIBRARY.exists():
        install_library()
    elif not missing:
        print("nothing to install")


def install_packages(missing):
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for words in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            if subprocess.run(["apt-get", "-q", *words], env=environment).returncode:
                sys.exit(f"lab: apt-get {words[0]} failed")
    finally:
        if ours:
            policy.unlink()


def install_library():
    with tempfile.TemporaryDirectory() as folder:
        modules = Path(folder, "node_modules")
        try:
            run("npm", "install", "--prefix", folder, "--no-audit", "--no-fund",
                "--ignore-scripts", *NPM)
            run(modules / ".bin/esbuild", "--bundle", modules / "stanza/index.js",
                "--format=iife", "--global-name=stanza", f"--outfile={LIBRARY}")
        except LabError as error:
            sys.exit(f"lab: {error}")
    print(f"made {LIBRARY}")


def up():
    """Make the hosts and start the servers."""
    need_root()
    if namespaces():
        sys.exit("lab: already up (tests/lab/status shows it, tests/lab/down stops it)")
    needed = ("ip", "openssl", "unbound", "prosody", "ejabberdctl", "kamailio", "rtpengine")
    absent = [program for program in needed if not shutil.which(program)]
    if absent:
        sys.exit(f"lab: no {', '.join(absent)} here; run tests/lab/install first")
    try:
        make_files()
        make_certificates()
        make_network()
        start_services(SERVICES)
        make_users()
        MODE.write_text("normal")
    except LabError as error:
        down()
        sys.exit(f"lab: {error}")
    print("lab is up; tests/lab/exec HOST COMMAND runs a command on one of its hosts:",
          " ".join(HOSTS))


def down():
    """Stop every process on the lab's hosts and remove the hosts; the logs stay."""
    need_root()
    names = namespaces()
    stop_processes(names)
    for name in names:
        run("ip", "netns", "del", name)
        (NETNS_ETC / name).unlink(missing_ok=True)
    remove_places()
    left = processes(namespaces())
    if left:
        sys.exit(f"lab: these processes would not end: {left}")


def status():
    """Show hosts, servers and their processes; fail unless all servers listen."""
    need_root()
    names = namespaces()
    if not names:
        sys.exit("lab is down")
    mode_ = MODE.read_text()
    services = {service.host: service for service in SERVICES}
    good = True
    for host, address in HOSTS.items():
        service = services.get(host)
        state = ""
        if service:
            listens = service.listens()
            good = good and listens
            state = f"listens on {service.port}" if listens else f"IS DOWN, see {service.log}"
        print(f"{host:11} {address:14} {len(processes([f'lab-{host}'])):2} processes  {state}")
    print(f"XMPP servers in the mode {mode_!r}")
    if not good or mode_ != "normal":
        sys.exit(1)


def mode(arguments):
    """Restart the XMPP servers, configured as MODE says, and have changed zones read."""
    need_root()
    if len(arguments) != 1 or arguments[0] not in MODES:
        sys.exit(f"usage: tests/lab/mode MODE   with MODE one of {' '.join(MODES)}")
    if not namespaces():
        sys.exit("lab: it is down; run tests/lab/up first")
    try:
        MODE.write_text("between two")
        configure(MODES[arguments[0]])
        stop_processes([f"lab-{host}" for host in XMPP_SERVERS])
        start_services([each for each in SERVICES if each.host in XMPP_SERVERS],
                       "tcp 5270" if arguments[0] == "direct-tls-only" else "")
        MODE.write_text(arguments[0])
    except LabError as error:
        sys.exit(f"lab: {error}")


def exec_(arguments):
    """Become a command on a host."""
    need_root()
    if len(arguments) < 2 or arguments[0] not in HOSTS:
        sys.exit(f"usage: tests/lab/exec HOST COMMAND...   with HOST one of {' '.join(HOSTS)}")
    host, *command = arguments
    if f"lab-{host}" not in namespaces():
        sys.exit("lab: it is down; run tests/lab/up first")
    command = inside(host, command)
    os.execvp(command[0], command)


# -- their parts -----------------------------------------------------------------

class LabError(Exception):
    """Something of the lab did not come up."""


def need_root():
    if os.geteuid():
        sys.exit("lab: it makes network namespaces, so it must run as root")


def run(*command, check=True):
    """Run COMMAND to its end and return what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise LabError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def inside(host, command):
    words = [str(word) for word in command]
    if host in GATEWAYS:                # its mounts are its own: `ip netns exec` sees to that
        script = f'mount --bind {RUN / host / GW_STATE} {GW_HOME} && exec "$@"'
        words = ["sh", "-c", script, "sh", *words]
    return ["ip", "netns", "exec", f"lab-{host}", *words]


def namespaces():
    there = {line.split()[0] for line in run("ip", "netns", "list").splitlines() if line}
    return [name for name in [SWITCH, *(f"lab-{host}" for host in HOSTS)] if name in there]


def processes(names):
    return [int(pid) for name in names for pid in run("ip", "netns", "pids", name).split()]


def stop_processes(names):
    for signal_, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + patience
        if signal_processes(names, signal_):
            while processes(names) and time.monotonic() < deadline:
                time.sleep(0.05)


def signal_processes(names, number):
    found = processes(names)
    for pid in found:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
    return found


def make_files():
    """The lab's state, empty, and the /etc that its hosts see."""
    shutil.rmtree(RUN, ignore_errors=True)
    shutil.copytree(SOURCE / "conf", CONF)
    for name in ("log", "prosody", "selfsigned", "ejabberd", "kamailio"):
        (RUN / name).mkdir()
    shutil.chown(RUN / "ejabberd", "ejabberd", "ejabberd")
    ETC.mkdir()
    (ETC / "resolv.conf").write_text(f"nameserver {HOSTS['dns']}\n")
    (ETC / "hosts").write_text(f"127.0.0.1 localhost {os.uname().nodename}\n")
    shutil.copytree("/etc/ssl", ETC / "ssl", symlinks=True)
    for host in GATEWAYS:
        (RUN / host / GW_CERTIFICATES).mkdir(parents=True)
        for path in ETC.iterdir():
            (RUN / host / "etc" / path.name).symlink_to(path)
        (RUN / host / GW_STATE).mkdir(mode=0o700)
    make_places()


def configure(changes):
    """Write the files that any mode changes: as they are in conf/, with these `changes`."""
    written = {file for each in MODES.values() for file in each}
    for file in sorted(written):
        text = (SOURCE / "conf" / file).read_text()
        for old, new in changes.get(file, {}).items():
            if old not in text:
                raise LabError(f"conf/{file} has no {old!r}")
            text = text.replace(old, new)
        if text == (CONF / file).read_text():
            continue
        (CONF / file).write_text(text)
        if file.startswith("zones/"):
            read_zone(Path(file).stem)


def read_zone(name):
    """Have a zone that was changed read again, and forget what was answered from it."""
    for word in ("auth_zone_reload", "flush_zone"):
        run(*inside("dns", ["unbound-control", "-c", CONF / "unbound.conf", word, name]))


def make_places():
    """Where the gateway's host mounts what is its own: note which of them the machine lacked."""
    made = [str(place) for place in GW_PLACES if not place.exists()]
    (RUN / "gw" / "made").write_text("\n".join(made))
    for place in made:
        Path(place).mkdir()


def remove_places():
    """Remove those again; a folder that somebody has put something into stays."""
    note = RUN / "gw" / "made"
    if not note.exists():
        return
    for place in note.read_text().split():
        try:
            Path(place).rmdir()
        except OSError as error:
            print(f"lab: left {place}: {error.strerror}", file=sys.stderr)
    note.unlink()


def make_certificates():
    """A CA that the hosts trust, a certificate by it for each server, one by nobody."""
    TLS.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def certificate(name, names, *signer, purposes="serverAuth,clientAuth"):
        alternatives = ",".join(f"DNS:{each}" for each in names)
        run("openssl", "req", "-x509", *key, *signer, "-days", "365",
            "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternatives}",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", f"extendedKeyUsage={purposes}",
            "-keyout", TLS / f"{name}.key", "-out", TLS / f"{name}.crt")
        (TLS / f"{name}.key").chmod(0o644)      # for daemons that are not root; a test key

    run("openssl", "req", "-x509", *key, "-days", "365", "-subj", "/CN=Lab CA",
        "-keyout", TLS / "ca.key", "-out", TLS / "ca.crt")
    ca = ("-CA", TLS / "ca.crt", "-CAkey", TLS / "ca.key")
    for name, names in CERTIFICATES.items():
        certificate(name, names, *ca)
    certificate("selfsigned", SELFSIGNED)
    for name in ("prosody", "ejabberd"):
        certificate(f"{name}-unsigned", CERTIFICATES[name])
    for name in FLAWED:
        signer = () if name == "selfsigned" else ca
        names = CERTIFICATES.get(name, SELFSIGNED)
        certificate(f"{name}-wrong-name", [f"{name}.wrong.example"], *signer)
        certificate(f"{name}-server-only", names, *signer, purposes="serverAuth")
        certificate(f"{name}-expired", names, *signer)
        expire(f"{name}-expired", () if signer else ("-selfsign",))
    for host in GATEWAYS:
        for kind in ("crt", "key"):
            shutil.copy(TLS / f"gw.{kind}", RUN / host / GW_CERTIFICATES)
        (RUN / host / GW_CERTIFICATES / "gw.key").chmod(0o600)
    for flaw in FLAWS:                          # the gateway's, each in a folder of its own
        (RUN / "gw" / flaw).mkdir()
        for kind in ("crt", "key"):
            shutil.copy(TLS / f"gw-{flaw}.{kind}", RUN / "gw" / flaw)

    trusted = ETC / "ssl" / "certs"
    with (trusted / "ca-certificates.crt").open("a") as bundle:
        bundle.write((TLS / "ca.crt").read_text())
    digest = run("openssl", "x509", "-hash", "-noout", "-in", TLS / "ca.crt").strip()
    shutil.copy(TLS / "ca.crt", trusted / f"{digest}.0")


def expire(name, selfsign):
    """Issue a certificate again, as one that ended long ago."""
    authority = {"cert": TLS / "ca.crt", "keyfile": TLS / "ca.key"}
    if selfsign:
        authority = {"cert": TLS / f"{name}.crt", "keyfile": TLS / f"{name}.key"}
    with tempfile.TemporaryDirectory() as folder:
        request, config = Path(folder, "request"), Path(folder, "config")
        (Path(folder) / "index").touch()
        config.write_text(f"[ca]\ndefault_ca = all\n[all]\ndatabase = {folder}/index\n"
                          f"rand_serial = yes\nnew_certs_dir = {folder}\ndefault_md = sha256\n"
                          "policy = any\ncopy_extensions = copy\nunique_subject = no\n"
                          "[any]\ncommonName = supplied\n")
        run("openssl", "x509", "-x509toreq", "-copy_extensions", "copy", "-in", TLS / f"{name}.crt",
            "-signkey", TLS / f"{name}.key", "-out", request)
        run("openssl", "ca", "-batch", "-notext", "-config", config, "-in", request,
            "-out", TLS / f"{name}.crt", "-startdate", "20200101000000Z",
            "-enddate", "20210101000000Z", *selfsign,
            *(word for option, value in authority.items() for word in (f"-{option}", value)))


def make_network():
    """A bridge in a namespace of its own, and every host on it by an eth0."""
    NETNS_ETC.mkdir(exist_ok=True)
    run("ip", "netns", "add", SWITCH)
    switch = ["ip", "-n", SWITCH]
    run(*switch, "link", "add", "bridge", "type", "bridge")
    run(*switch, "address", "add", f"{NET}.1/24", "dev", "bridge")
    run(*switch, "link", "set", "bridge", "up")
    for host, address in HOSTS.items():
        name = f"lab-{host}"
        run("ip", "netns", "add", name)
        (NETNS_ETC / name).symlink_to(RUN / host / "etc" if host in GATEWAYS else ETC)
        run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        run(*switch, "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", name)
        run(*switch, "link", "set", host, "master", "bridge", "up")
        for words in ("link set lo up", f"address add {address}/24 dev eth0",
                      "link set eth0 up", f"route add default via {NET}.1"):
            run("ip", "-n", name, *words.split())


def start_services(services, port=""):
    for service in services:
        service.start()
    deadline = time.monotonic() + 30
    for service in services:
        while not service.listens(port):
            if time.monotonic() > deadline:
                raise LabError(f"{service.host} does not listen on {port or service.port},"
                               f" see {service.log}")
            time.sleep(0.1)


def make_users():
    for domain, users in XMPP_USERS.items():
        for user in users:
            if domain == "jabber.example":
                command = inside("ejabberd", ejabberdctl("register", user, domain, PASSWORD))
            else:
                host = "prosody" if domain == "xmpp.example" else "selfsigned"
                command = inside(host, ["prosodyctl", "--config", CONF / f"{host}.cfg.lua",
                                        "register", user, domain, PASSWORD])
            run(*command)
