# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other people's TLS servers, each in the modes that it has for its clients' certificates.

Each serves the files server.crt, server.key and client-ca.crt of its folder on a port of the loopback, and answers GET
with 200 where it lets a client in.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from embedded_httpd import EmbeddedHttpd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_READY_SECONDS = 20.0  # Java compiles first


class Missing(Exception):
    """A server is not on this machine; the message says what is to be installed."""


@dataclass(frozen=True)
class Place:
    """Where a server is to run: a folder with the material, a port to serve, and the port of a plain HTTP server.

    `unpacked` is the folder that tests/support/foreign-servers has printed.
    """

    folder: Path
    port: int
    plain: int
    unpacked: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the server's, and return its path."""
        path = self.folder / name
        path.write_text(text)
        return path

    def program(self, name: str) -> str:
        """Return the path of an unpacked program. Raises Missing."""
        for place in ("usr/sbin", "usr/bin"):
            path = self.unpacked / place / name
            if path.exists():
                return str(path)
        raise Missing(f"{name} is not unpacked by tests/support/foreign-servers")


@cache
def unpacked() -> Path:
    """Return the folder in which Debian's packages of other people's servers lie unpacked."""
    script = Path(__file__).with_name("foreign-servers")
    return Path(subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


def of_prometheus(name: str) -> str:
    """Return the path of a program of Debian's packages of Prometheus and its exporters."""
    return f"{unpacked()}/usr/bin/{name}"


def promtool() -> str:
    """Return the path of Prometheus' own checker."""
    return of_prometheus("promtool")


def installed(name: str, package: str) -> str:
    """Return the path of a program of this machine. Raises Missing."""
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is missing here (Debian's {package})")
    return path


@dataclass(frozen=True)
class Server:
    """A product: its modes, each with what it says of them, and how it is called for one."""

    modes: Mapping[str, str]
    command: Callable[[Place, str], list[str]] = field(repr=False)


def _nginx(place: Place, mode: str) -> list[str]:
    (place.folder / "html").mkdir()
    place.write("html/index.html", "in")
    folder = place.folder
    scratch = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "fastcgi", "uwsgi", "scgi", "proxy")
    )
    text = (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;\n"
        f"events {{}} http {{ access_log off; {scratch}\n"
        f"server {{ listen 127.0.0.1:{place.port} ssl; server_name www.example.com; root {folder}/html;\n"
        f"ssl_certificate server.crt; ssl_certificate_key server.key; ssl_client_certificate client-ca.crt;\n"
        f"ssl_protocols TLSv1.2 TLSv1.3;\n{mode}\n}} }}\n"
    )
    conf = place.write("nginx.conf", text)
    return [place.program("nginx"), "-p", str(folder), "-c", str(conf), "-e", f"{folder}/log"]


_BY_403 = "if ($ssl_client_verify != SUCCESS) { return 403; }"
_BY_401 = _BY_403.replace("403", "401")
_LIMITED = "location / { limit_except GET { deny all; } }"
NGINX = Server(
    {
        "required": "ssl_verify_client on;",
        "optional": "ssl_verify_client optional;",
        "unchecked": "ssl_verify_client optional_no_ca;",
        "unchecked, rule on other methods": f"ssl_verify_client optional_no_ca; {_LIMITED}",
        "per path, by 403": f"ssl_verify_client optional; location / {{ {_BY_403} }}",
        "per path, by 401": f"ssl_verify_client optional; location / {{ {_BY_401} }}",
        "403 for everybody": "ssl_verify_client optional_no_ca; location / { return 403; }",
        "required, 403 for everybody": "ssl_verify_client on; location / { return 403; }",
        "not asked, 403 for everybody": "location / { return 403; }",
        "per path, and open otherwise": "ssl_verify_client optional; "
        f"location /callback/ {{ {_BY_403} try_files /index.html =404; }}",
        "not asked": "",
    },
    _nginx,
)


def _haproxy(place: Place, mode: str) -> list[str]:
    place.write("both.pem", (place.folder / "server.crt").read_text() + (place.folder / "server.key").read_text())
    verify, _newline, rules = mode.partition("\n")
    text = (
        "defaults\nmode http\ntimeout connect 5s\ntimeout client 5s\ntimeout server 5s\n"
        f"frontend tls\nbind 127.0.0.1:{place.port} ssl crt {place.folder}/both.pem {verify}\n{rules}\n"
        "http-request return status 200 content-type text/plain string in\n"
    )
    return [
        place.program("haproxy"),
        "-db",
        "-f",
        str(place.write("haproxy.cfg", text.replace("FOLDER", str(place.folder)))),
    ]


_UNIGNORED = "ca-file FOLDER/client-ca.crt verify optional"
_IGNORING = f"{_UNIGNORED} crt-ignore-err all ca-ignore-err all"
_UNLESS = "unless { ssl_c_used } { ssl_c_verify 0 }"
HAPROXY = Server(
    {
        "required": "ca-file FOLDER/client-ca.crt verify required",
        "optional": _UNIGNORED,
        "unchecked": _IGNORING,
        "optional, rule on OPTIONS": f"{_UNIGNORED}\nhttp-request deny if METH_OPTIONS !{{ ssl_c_used }}",
        "per path, by 403": f"{_IGNORING}\nhttp-request deny {_UNLESS}",
        "per path, by 400": f"{_IGNORING}\nhttp-request deny deny_status 400 {_UNLESS}",
        "optional, rule on POST": f"{_UNIGNORED}\nhttp-request deny if METH_POST !{{ ssl_c_used }}",
        "not asked": "",
    },
    _haproxy,
)


def _lighttpd(place: Place, mode: str) -> list[str]:
    place.write("both.pem", (place.folder / "server.crt").read_text() + (place.folder / "server.key").read_text())
    (place.folder / "html").mkdir()
    place.write("html/index.html", "in")
    text = (
        f'server.modules = ("mod_openssl", "mod_access")\nserver.document-root = "{place.folder}/html"\n'
        f'index-file.names = ("index.html")\nserver.bind = "127.0.0.1"\nserver.port = {place.port}\n'
        f'server.errorlog = "{place.folder}/log"\nssl.engine = "enable"\nssl.pemfile = "{place.folder}/both.pem"\n'
        f'ssl.openssl.ssl-conf-cmd = ("MinProtocol" => "TLSv1.2")\n'
        f'ssl.verifyclient.ca-file = "{place.folder}/client-ca.crt"\n{mode}\n'
    )
    modules = str(place.unpacked / "usr" / "lib" / "lighttpd")
    return [place.program("lighttpd"), "-D", "-m", modules, "-f", str(place.write("lighttpd.conf", text))]


_ACTIVE = 'ssl.verifyclient.activate = "enable"\nssl.verifyclient.depth = 1\n'
LIGHTTPD = Server(
    {
        "required": f'{_ACTIVE}ssl.verifyclient.enforce = "enable"',
        "unchecked": f'{_ACTIVE}ssl.verifyclient.enforce = "disable"',
        "unchecked, rule on OPTIONS": f'{_ACTIVE}ssl.verifyclient.enforce = "disable"\n'
        '$HTTP["request-method"] == "OPTIONS" { url.access-deny = ("") }',
        "not asked": "",
    },
    _lighttpd,
)


def _stunnel(place: Place, mode: str) -> list[str]:
    text = (
        f"foreground = yes\npid =\n[https]\naccept = 127.0.0.1:{place.port}\nconnect = 127.0.0.1:{place.plain}\n"
        f"cert = {place.folder}/server.crt\nkey = {place.folder}/server.key\nCAfile = {place.folder}/client-ca.crt\n"
        f"socket = l:SO_REUSEADDR=1\n{mode}\n"
    )
    return [place.program("stunnel4"), str(place.write("stunnel.conf", text))]


STUNNEL = Server(
    {
        "required": "requireCert = yes\nverifyChain = yes",
        "optional": "verify = 1",
        "unchecked": "verify = 0",
        "required, unchecked": "requireCert = yes",
        "not asked": "",
    },
    _stunnel,
)


def _caddy(place: Place, mode: str) -> list[str]:
    text = (
        f"{{\nadmin off\nauto_https off\n}}\nhttps://www.example.com:{place.port} {{\nbind 127.0.0.1\n"
        f"tls {place.folder}/server.crt {place.folder}/server.key {{\nMODE\n}}\nRULE\nrespond in 200\n}}\n"
    )
    client, _newline, rule = mode.partition("\n")
    trusted = f"trusted_ca_cert_file {place.folder}/client-ca.crt\n"
    block = f"client_auth {{\nmode {client}\n{'' if client in ('request', 'require') else trusted}}}" if client else ""
    path = place.write("Caddyfile", text.replace("MODE", block).replace("RULE", rule))
    return [place.program("caddy"), "run", "--adapter", "caddyfile", "--config", str(path)]


CADDY = Server(
    {
        "required": "require_and_verify",
        "optional": "verify_if_given",
        "unchecked": "request",
        "required, unchecked": "require",
        "per path, by 403": "verify_if_given\n@none expression {tls_client_subject} == null\nrespond @none out 403",
        "not asked": "",
    },
    _caddy,
)

_NODE = """
const fs = require('fs'), https = require('https');
const [port, mode] = [Number(process.argv[2]), process.argv[3]];
const asks = {required: [true, true], optional: [true, false], path: [true, false], limited: [true, false],
  none: [false, false]};
const [requestCert, rejectUnauthorized] = asks[mode];
const options = {cert: fs.readFileSync('server.crt'), key: fs.readFileSync('server.key'),
  ca: fs.readFileSync('client-ca.crt'), requestCert, rejectUnauthorized};
https.createServer(options, (request, response) => {
  const known = request.client.authorized;
  const open = mode === 'path' ? known : mode === 'limited' ? known || request.method === 'GET' : true;
  response.writeHead(open ? 200 : 403);
  response.end(open ? 'in' : 'out');
}).listen(port, '127.0.0.1');
"""


def _node(place: Place, mode: str) -> list[str]:
    return [installed("node", "nodejs"), str(place.write("server.js", _NODE)), str(place.port), mode]


NODE = Server(
    {
        "required": "required",
        "unchecked": "optional",
        "unchecked, rule on other methods": "limited",
        "per path, by 403": "path",
        "not asked": "none",
    },
    _node,
)

_JAVA = """
import com.sun.net.httpserver.*;
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import javax.net.ssl.*;

public class Serve {
    public static void main(String[] arguments) throws Exception {
        String mode = arguments[1];
        CertificateFactory certificates = CertificateFactory.getInstance("X.509");
        var chain = certificates.generateCertificates(new FileInputStream("server.crt"));
        String text = Files.readString(Path.of("server.key")).replaceAll("-----.*-----|\\\\s", "");
        PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(
            new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
        KeyStore own = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        own.setKeyEntry("server", key, new char[0], chain.toArray(new java.security.cert.Certificate[0]));
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(own, new char[0]);
        KeyStore known = KeyStore.getInstance("PKCS12");
        known.load(null, null);
        known.setCertificateEntry("ca", certificates.generateCertificate(new FileInputStream("client-ca.crt")));
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(known);
        TrustManager[] managers = mode.equals("anybody") ? new TrustManager[] {new X509ExtendedTrustManager() {
            public void checkClientTrusted(X509Certificate[] chain, String type) {}
            public void checkServerTrusted(X509Certificate[] chain, String type) {}
            public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}
            public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}
            public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
            public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        }} : trust.getTrustManagers();
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), managers, null);
        HttpsServer server = HttpsServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context) {
            public void configure(HttpsParameters parameters) {
                SSLParameters wished = context.getDefaultSSLParameters();
                if (mode.equals("required") || mode.equals("anybody")) wished.setNeedClientAuth(true);
                else if (!mode.equals("none")) wished.setWantClientAuth(true);
                parameters.setSSLParameters(wished);
            }
        });
        server.createContext("/", exchange -> {
            boolean open = true;
            if (mode.equals("path")) {
                try { ((HttpsExchange) exchange).getSSLSession().getPeerCertificates(); }
                catch (SSLPeerUnverifiedException nobody) { open = false; }
            }
            exchange.sendResponseHeaders(open ? 200 : 403, -1);
            exchange.close();
        });
        server.start();
    }
}
"""


def _java(place: Place, mode: str) -> list[str]:
    installed("javac", "openjdk-17-jdk-headless")
    java = installed("java", "openjdk-17-jdk-headless")
    source = str(place.write("Serve.java", _JAVA))
    return [java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", source, str(place.port), mode]


JAVA = Server(
    {
        "required": "required",
        "optional": "want",
        "required, unchecked": "anybody",
        "per path, by 403": "path",
        "not asked": "none",
    },
    _java,
)

_PYTHON = """
import http.server, ssl, sys
port, mode = int(sys.argv[1]), sys.argv[2]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.crt", "server.key")
context.load_verify_locations("client-ca.crt")
context.verify_mode = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE}.get(mode, ssl.CERT_OPTIONAL)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_open = mode != "path" or bool(self.connection.getpeercert())
        self.send_response(200 if is_open else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

class Server(http.server.ThreadingHTTPServer):
    def get_request(self):
        connection, address = super().get_request()
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

Server(("127.0.0.1", port), Handler).serve_forever()
"""


def _python(place: Place, mode: str) -> list[str]:
    return [sys.executable, str(place.write("serve.py", _PYTHON)), str(place.port), mode]


PYTHON = Server(
    {"required": "required", "optional": "optional", "per path, by 403": "path", "not asked": "none"},
    _python,
)


def _s_server(place: Place, mode: str) -> list[str]:
    own = [
        "-accept",
        f"127.0.0.1:{place.port}",
        "-cert",
        "server.crt",
        "-key",
        "server.key",
        "-CAfile",
        "client-ca.crt",
    ]
    return [installed("openssl", "openssl"), "s_server", "-quiet", "-www", *own, *mode.split()]


S_SERVER = Server(
    {
        "required": "-Verify 1 -verify_return_error",
        "optional": "-verify 1 -verify_return_error",
        "required, unchecked": "-Verify 1",
        "unchecked": "-verify 1",
        "not asked": "",
    },
    _s_server,
)


def _gnutls(place: Place, mode: str) -> list[str]:
    own = ["--x509certfile", "server.crt", "--x509keyfile", "server.key", "--x509cafile", "client-ca.crt"]
    return [place.program("gnutls-serv"), "--http", "--quiet", "--port", str(place.port), *own, *mode.split()]


GNUTLS = Server(
    {
        "required": "--require-client-cert --verify-client-cert",
        "required, unchecked": "--require-client-cert",
        "unchecked": "",
        "optional": "--verify-client-cert",
        "not asked": "--disable-client-cert",
    },
    _gnutls,
)

SERVERS = {
    "nginx": NGINX,
    "HAProxy": HAPROXY,
    "lighttpd": LIGHTTPD,
    "stunnel": STUNNEL,
    "Caddy": CADDY,
    "Node": NODE,
    "Java": JAVA,
    "Python": PYTHON,
    "openssl s_server": S_SERVER,
    "gnutls-serv": GNUTLS,
}

_HTTPD = """
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
SSLSessionCache none
Listen 127.0.0.1:{port}
<VirtualHost *:{port}>
    ServerName www.example.com
    SSLEngine on
    SSLCertificateFile {folder}/server.crt
    SSLCertificateKeyFile {folder}/server.key
    SSLCACertificateFile {folder}/client-ca.crt
    {mode}
</VirtualHost>
"""
_KNOWN = "Require expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'"
HTTPD_MODES = {
    "required": "SSLVerifyClient require",
    "optional": "SSLVerifyClient optional",
    "unchecked": "SSLVerifyClient optional_no_ca",
    "optional, rule on OPTIONS": "SSLVerifyClient optional\n<Location />\n<Limit OPTIONS>\n"
    f"{_KNOWN}\n</Limit>\n</Location>",
    "per path, by 403": f"SSLVerifyClient optional\n<Location />\n{_KNOWN}\n</Location>",
    "per path, by renegotiation": "SSLProtocol TLSv1.2\n<Location />\nSSLVerifyClient require\n</Location>",
    "not asked": "",
}


@contextmanager
def serving(name: str, mode: str, place: Place) -> Iterator[None]:
    """Have a server serve in one of its modes as long as the context lasts. Raises Missing."""
    if name == "httpd":
        httpd = EmbeddedHttpd(
            place.folder / "httpd", extra=_HTTPD.format(port=place.port, folder=place.folder, mode=HTTPD_MODES[mode])
        )
        try:
            httpd.start()
            yield
        finally:
            httpd.stop()
        return
    server = SERVERS[name]
    command = server.command(place, server.modes[mode])
    libraries = {}
    if command[0].startswith(str(place.unpacked)):
        libraries = {"LD_LIBRARY_PATH": str(place.unpacked / "usr" / "lib" / "x86_64-linux-gnu")}
    with (place.folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=place.folder,
            env={**os.environ, **libraries, "HOME": str(place.folder)},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        _await(place, process)
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _await(place: Place, process: subprocess.Popen[bytes]) -> None:
    """Return when the server takes connections. Raises AssertionError, with its own words, where it does not."""
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", place.port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError((place.folder / "output").read_text(errors="replace"))
