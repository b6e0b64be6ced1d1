# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What runs on the controller is plugins/action/sites.py; what runs on the target is plugins/modules/transaction.py.

DOCUMENTATION = r"""
module: sites
short_description: Put all mutual TLS sites of a host in place, or take them away, as one transaction
version_added: 1.0.0
author: mtls.httpd contributors (@mtls)
description:
  - Judges the wishes and their material on the controller, renders the virtual hosts there, and goes to the target
    once.
  - On the target, the whole configuration of httpd with the change in it is rehearsed in private namespaces, by the
    host's own httpd. Handshakes decide. Only then are the sites switched, httpd reloaded gracefully, and the result
    confirmed by handshakes on the real listening address.
  - Whatever fails, the host is left, or put back, as it was, and the message says why in httpd's own words.
  - A host that is already as wished is left alone. Not a byte is written, and httpd is not reloaded.
  - Sites that are not listed stay as they are.
notes:
  - The private keys travel to the target in one argument that is never logged, by stdin where the connection can (ssh,
    as root or with sudo, whatever pipelining is set to), and are written there with mode 0600.
  - The target needs nothing but Python and httpd.
requirements:
  - Python library C(cryptography), 45.0 or newer, on the controller
attributes:
  check_mode:
    support: full
    description:
      - Judges and compares as always, and rehearses. Changes nothing.
      - Returns what the run would return, except what only the live server can show, RV(sites[].mutual_tls),
        RV(sites[].proxy_protocol), RV(endpoints) and RV(server.running).
      - On a host without httpd, the sites are predicted, and nothing is rehearsed.
  diff_mode:
    support: full
    description:
      - Shows the virtual hosts, the host-level file, where links lead, and the dates of certificates. Never shows a
        private key.
  platform:
    platforms: posix
    support: full
    description: Linux, because the rehearsal and the look at the running server need C(/proc).
extends_documentation_fragment: [mtls.httpd.attributes]
options:
  sites:
    description:
      - The sites. All sites of one call are one transaction, one bad site keeps all as they were.
      - An empty list is an error, as it is nearly always a variable that was not set.
    type: list
    elements: dict
    required: true
    suboptions:
      domain:
        description:
          - The name that Chat calls, and the name of the site. The reference page's rules hold.
        type: str
        required: true
      aliases:
        description:
          - Further names that the site answers to. The certificate must cover them.
        type: list
        elements: str
        default: []
      state:
        description:
          - Whether the site is to exist. V(absent) removes its virtual host, its links and all its releases.
          - V(previous) goes back to the release before the current one, which lies on the host, so that no material is
            needed. It is rehearsed like any other change. Going back a second time changes nothing.
        type: str
        choices: [present, absent, previous]
        default: present
      manage:
        description:
          - What is put on the host. V(virtual_host) is a virtual host of the collection's own.
          - V(directives) is for a virtual host that is your own. The collection writes the directives for its
            certificate, key and client CA, and for what clients must show, into a file, RV(sites[].include), which you
            include in that virtual host. The first run puts the file there and says which line to put where. From then
            on, a run fails while the file is not included. The options that describe a virtual host are an error then.
        type: str
        choices: [virtual_host, directives]
        default: virtual_host
      allow_bypass:
        description:
          - If something else on the server serves the same content without asking for a client certificate, the run is
            refused, with the file and line, or the domain of another site here. To accept it, list the file,
            C(file:line) or the domain.
        type: list
        elements: str
        default: []
      allow_programs:
        description:
          - Whether what the site adds to the configuration may start programs together with httpd, such as a piped
            logger (C(CustomLog "|…")), C(RewriteMap … prg:…) or C(WSGIDaemonProcess). They run with the rights of the
            server. Without this option they are refused, with the line. No rehearsal, and so no check mode, starts one.
          - What a request starts, such as a CGI program, does not need it.
        type: bool
        default: false
      release:
        description:
          - With O(sites[].state=previous), the release to go back to, by its name of 16 hexadecimal digits, instead of
            the one before the current one. M(mtls.httpd.release_info) lists those on the host. If there is no such
            release, the message lists them too.
          - A release that you went back from is kept too, so this option can also go forward again.
        type: str
      force:
        description:
          - With O(sites[].state=previous), go back although a certificate or revocation list of that release has
            expired.
        type: bool
        default: false
      certificate:
        description:
          - Path on the controller to the certificate, alone or followed by its chain.
          - PEM, DER, PKCS#7 or PKCS#12. The content decides, not the name. Vaulted files work.
        type: path
      certificate_content:
        description:
          - The certificate itself, as PEM text, or base64 of DER or PKCS#12. Set it where the certificate comes from
            a lookup.
        type: str
      private_key:
        description:
          - Path on the controller to the private key of O(sites[].certificate). Keep the file vaulted.
        type: path
      private_key_content:
        description:
          - The private key itself, as PEM text, or base64 of DER. Set it where the key comes from a vaulted variable
            or a lookup.
        type: str
      private_key_passphrase:
        description:
          - Passphrase of the private key or PKCS#12 file. The key is decrypted in the controller's memory, as httpd
            could not ask.
        type: str
      chain:
        description:
          - Path on the controller to the intermediate certificates. Set it where the certificate's file does not hold
            them.
        type: path
      chain_content:
        description:
          - The intermediate certificates themselves, as PEM text, or base64 of DER or PKCS#7.
        type: str
      bundle:
        description:
          - Path on the controller to the console's zip of certificate and private key, as it was downloaded.
        type: path
      bundle_content:
        description:
          - The same zip as base64.
        type: str
      client_ca:
        description:
          - Paths on the controller to the CA certificates that clients must be issued by. For Chat,
            V(TencentQQAuthCA.crt.zip) as
            it is downloaded, or the file in it. Two while a CA is being replaced.
        type: list
        elements: path
      client_ca_content:
        description:
          - The client CA certificates themselves, as PEM text, or base64 of DER or zip.
        type: list
        elements: str
      client_ca_sha256:
        description:
          - SHA-256 fingerprints (hexadecimal, colons allowed). Where given, every client CA must have one of them.
            Set it so that a wrong
            download never becomes a trust anchor.
        type: list
        elements: str
        default: []
      remote_src:
        description:
          - The material lies on the target already, as certbot's does. O(sites[].certificate), O(sites[].private_key)
            and O(sites[].chain) are absolute paths there, of PEM files. So is O(sites[].client_ca) where it is
            absolute. A relative one is a file of the controller, as always.
          - The files are copied into the release, never linked. Each file, and each folder and link on the way to it,
            must belong to root or the server's user.
          - OpenSSL and the rehearsal's handshakes judge the material on the target. Whether clients trust it is judged
            by O(sites[].trust_anchors) alone.
        type: bool
        default: false
      renewal_hook:
        description:
          - With O(sites[].remote_src), the path on the target where a program is put. It deploys this site again, with
            the material that is there by then.
          - For certbot, V(/etc/letsencrypt/renewal-hooks/deploy/mtls-www.example.com). The program is removed with the
            site.
          - Its folder must be one for hooks or programs. Folders in which the system uses any file of a suitable name
            are refused, such as V(/etc), C(/etc/*.d) and V(/run).
        type: path
      crl:
        description:
          - Paths on the controller to the revocation lists of the client CAs, one of each CA. PEM or DER. A client
            that is named there is refused. Run again with a new list before the present one ends, as httpd then refuses
            every client. RV(sites[].crl_ends) says when.
        type: list
        elements: path
      crl_content:
        description:
          - The revocation lists themselves, as PEM text, or base64 of DER.
        type: list
        elements: str
      crl_check:
        description:
          - What is looked up in O(sites[].crl) (directive C(SSLCARevocationCheck)). V(chain) is the client's
            certificate and all of its issuers, which needs a list of each, V(leaf) the client's certificate alone.
          - With O(sites[].verify_client=optional_no_ca), clients of a CA without a list are let in.
        type: str
        choices: [chain, leaf]
        default: chain
      client_ocsp:
        description:
          - Ask the OCSP responder of a client's certificate whether it was revoked (directive C(SSLOCSPEnable)), with
            V(leaf) for the client's certificate, with V(chain) for its issuers' too. If the responder does not answer,
            the client is refused. httpd has no setting that would let it in.
          - A rehearsal reaches no responder, so this is the one option that is in force without having been tried.
        type: str
        choices: ["off", leaf, chain]
        default: "off"
      client_ocsp_responder:
        description:
          - URL of the responder to ask (C(http) alone), instead of the one that the certificate names.
        type: str
      client_ocsp_required:
        description:
          - Refuse clients whose certificate names no responder. With V(false) they are let in.
        type: bool
        default: true
      client_ocsp_timeout:
        description:
          - Seconds to wait for the responder. The client waits for it in the handshake, and Chat waits 2 s for
            handshake and answer together.
        type: int
        default: 1
      issued_by:
        description:
          - Who issued the certificate. V(public) for an authority that everybody trusts (case 1 of the reference
            page), V(chat) for a
            certificate that Chat issued for the domain (case 2).
        type: str
        choices: [public, chat]
        default: public
      trust_anchors:
        description:
          - Paths on the controller to the roots that the certificate's path must end at. The controller's own store
            where nothing is given.
            Set it for a private authority.
          - With O(sites[].remote_src), the target judges the path by them. Where nothing is given, whether clients
            trust it is not judged there.
        type: list
        elements: path
      trust_anchors_content:
        description:
          - The roots themselves, as PEM text, or base64 of DER.
        type: list
        elements: str
      port:
        description:
          - The port that the site is served on. httpd is made to listen on it where it does not yet.
        type: int
        default: 443
      listen:
        description:
          - Addresses of the host that the site is served on, such as V(192.0.2.10) or V(2001:db8::10). All addresses
            where nothing is given.
        type: list
        elements: str
        default: []
      document_root:
        description:
          - Directory on the target whose files are served. An empty directory of the collection's own where neither
            this nor
            O(sites[].proxy_pass) is given.
        type: path
      proxy_pass:
        description:
          - URL of the backend that gets the requests, with a slash at its end. V(http://127.0.0.1:8080/),
            V(https://backend.example.com/), or V(unix:/run/app.sock|http://localhost/) for a Unix socket. Excludes
            O(sites[].document_root).
        type: str
      proxy_ca:
        description:
          - Paths on the controller to the CA certificates that a backend's certificate must be issued by, and for its
            name. Required where one is spoken to over https.
        type: list
        elements: path
      proxy_ca_content:
        description:
          - The same CA certificates themselves, as PEM text, or base64 of DER.
        type: list
        elements: str
      proxy_timeout:
        description:
          - Seconds without a byte after which a backend is given up. Chat itself waits for 2 seconds. On a WebSocket
            (O(sites[].proxy_websocket)) the connection is kept through a silence of this length or of httpd's own
            C(Timeout), whichever is longer.
        type: int
        default: 5
      proxy_websocket:
        description:
          - Let clients upgrade to WebSocket, where the backend agrees. Needs httpd 2.4.47 or newer.
        type: bool
        default: false
      request_body_limit:
        description:
          - Bytes that a request's body may have. Larger ones get 413. On the way to a backend, a body without a length
            (chunked) is not limited, as httpd has no means for that.
        type: int
        default: 1048576
      forward_client_identity:
        description:
          - What the backend is told of the client, by the names of the headers, such as V(X-Client-Subject). Only of
            certificates that were verified, except with O(sites[].verify_client=optional_no_ca).
          - What a client sends under these names itself is removed, in upper or lower case, and with underscores in
            place of hyphens.
        type: dict
        suboptions:
          subject:
            description:
              - Header for the subject, as the access log has it (RFC 4514).
            type: str
          serial:
            description:
              - Header for the serial number, in hexadecimal.
            type: str
          verification:
            description:
              - Header for the result of the verification, V(SUCCESS), V(NONE), V(GENEROUS) or V(FAILED:…).
            type: str
          certificate:
            description:
              - Header for the whole certificate, as base64 of DER in one line.
            type: str
          client_cert:
            description:
              - Send the whole certificate as C(Client-Cert), as RFC 9440 has it.
            type: bool
            default: false
      verify_client:
        description:
          - What is asked of clients (directive C(SSLVerifyClient)). V(require) is what mutual TLS means.
          - V(optional) lets clients without a certificate in, and refuses those of other CAs. V(optional_no_ca) lets
            everybody in, with a certificate that anybody issued or none. Both are for a backend that decides itself,
            and are a warning in the verdict.
        type: str
        choices: [require, optional, optional_no_ca]
        default: require
      allowed_clients:
        description:
          - The clients that may call. Others of O(sites[].client_ca) get 403, and the site's access log says who they
            were. Several while a client's certificate is being changed.
          - Without it, every client of O(sites[].client_ca) may call, which is the warning C(client-not-pinned). Set it
            where that CA issues certificates to others than Chat.
        type: list
        elements: dict
        suboptions:
          subject:
            description:
              - The certificate's subject, all of it, as httpd writes it (RFC 4514), such as V(CN=Chat,O=Tencent).
              - Compared as a whole and with case. The rehearsal shows whether it is written as httpd writes it.
            type: str
          san:
            description:
              - A DNS name or e-mail address among the certificate's first eight subject alternative names of its kind,
                compared as a whole and with case.
            type: str
          certificate:
            description:
              - Path on the controller to the client's certificate, which is compared as a whole. This is the narrowest
                way, but you have to change it whenever the client's certificate is renewed.
            type: path
          certificate_content:
            description:
              - The client's certificate itself, as PEM text, or base64 of DER.
            type: str
      verify_depth:
        description:
          - How many intermediate certificates a client's chain may have, plus one (directive C(SSLVerifyDepth)).
            httpd's own default of 1
            refuses every client that an intermediate issued.
        type: int
        default: 3
      tls_profile:
        description:
          - Which TLS the site speaks, by Mozilla's server-side guideline, version 6.0. V(modern) is TLS 1.3 alone,
            V(intermediate) TLS 1.2 and 1.3. V(custom) is what O(sites[].tls_protocols) and its like say.
          - The curve X25519MLKEM768 is offered where the host's OpenSSL has it (3.5 and newer).
        type: str
        choices: [modern, intermediate, custom]
        default: intermediate
      tls_protocols:
        description:
          - With O(sites[].tls_profile=custom), the versions of TLS. With V(TLSv1) or V(TLSv1.1), OpenSSL's security
            level is lowered to 0 for this site, and the result carries a warning.
        type: list
        elements: str
        choices: [TLSv1, TLSv1.1, TLSv1.2, TLSv1.3]
        default: []
      tls_ciphers:
        description:
          - With O(sites[].tls_profile=custom), the ciphers of TLS 1.2 and older, by OpenSSL's names. Those of the
            profile V(intermediate) where nothing is given, and for TLS 1.0 and 1.1 ciphers with AES and SHA-1 too.
        type: list
        elements: str
        default: []
      tls_ciphersuites:
        description:
          - With O(sites[].tls_profile=custom), the cipher suites of TLS 1.3. Those of the profiles where nothing is
            given.
        type: list
        elements: str
        default: []
      tls_curves:
        description:
          - With O(sites[].tls_profile=custom), the groups of the key exchange, by OpenSSL's names. Those of the
            profiles where nothing is given. One that the host's OpenSSL does not know is refused by the rehearsal.
        type: list
        elements: str
        default: []
      ocsp_stapling:
        description:
          - Send the answer of the certificate's OCSP responder along in the handshake. Needs a certificate that names a
            responder, a host that reaches it, and C(SSLStaplingCache) in the server's own configuration. If that is
            missing, RV(limits) says so. If the responder is dead, the site is served without its answer.
        type: bool
        default: false
      http2:
        description:
          - Serve HTTP/2 beside HTTP/1.1. Needs C(mod_http2) on the host, and an MPM other than prefork. If it cannot be
            had, RV(limits) says so.
          - It is tried over TLS 1.2 and 1.3, in the rehearsal and on the live server. If the run brings C(mod_http2)
            into a running server, it reloads twice, because the module does not work after one reload.
        type: bool
        default: false
      proxy_protocol:
        description:
          - Expect a header of the PROXY protocol at the start of each connection (C(RemoteIPProxyProtocol On)), and
            take the client's address from it. For a load balancer that sends one. Needs C(mod_remoteip).
          - Nobody without the header gets an answer then. httpd expects it for a whole address and port, so the run is
            refused if virtual hosts of your own are served there too, unless they expect the header already. All sites
            of one port must have the same value.
        type: bool
        default: false
      hsts:
        description:
          - Seconds for which browsers are told to use HTTPS alone (header C(Strict-Transport-Security)), 63072000 in
            the guideline. Not sent where it is V(0). Webhooks need none.
        type: int
        default: 0
      callback_paths:
        description:
          - The paths that Chat calls, such as V(/callback), as in the URL that is set in its console. The
            O(sites[].protected_paths) where nothing is given and there are some, else V(/).
          - A client of the client CA must reach each of them, as Chat would, before anything is switched.
        type: list
        elements: str
        default: []
      open_paths:
        description:
          - Paths that need no client certificate, such as V(/healthz) for a load balancer. All others do.
          - A request must be for exactly this path, however it is escaped. What is below it stays protected.
        type: list
        elements: str
        default: []
      protected_paths:
        description:
          - Paths, each with all below it, that need a client certificate, on a site that is open otherwise.
          - Each needs a backend of its own, because other spellings of the path lead to the site's own pages or
            backend.
        type: list
        elements: dict
        suboptions:
          path:
            description:
              - The path, such as V(/callback).
            type: str
            required: true
          proxy_pass:
            description:
              - URL of the backend for it, in the form of the site's own O(sites[].proxy_pass), and another URL. It
                replaces the path, so it usually ends in the same path.
            type: str
            required: true
      access_log:
        description:
          - Absolute path on the target to the site's access log. It tells the client's subject and serial number, the
            result of its verification, protocol and cipher, also of those who got 403.
          - Without it, the log is the domain followed by C(-access.log), in the folder of the server's own logs, so
            that the distribution rotates it with them.
          - With V(server), the site has no log of its own, and its requests are in the server's.
          - Root opens this file, and clients decide what is written to it. So it must be a new file, or a log already,
            among the server's own logs or in another folder of logs. It is refused below C(/etc), C(/root), C(/usr),
            C(/boot), C(/proc), C(/sys), C(/dev), C(/run), C(/var/spool), C(/var/cache), C(/var/backups) and the
            folders of package managers in C(/var/lib); beside files of httpd's configuration; in a folder that
            everybody may write to, such as C(/tmp); among what httpd serves (below a C(DocumentRoot) or the target of
            an C(Alias)); if it is hidden; and if others could change it. This holds for the logs of
            O(sites[].extra_directives) and O(sites[].template) too.
        type: str
      error_log:
        description:
          - Absolute path on the target to the site's error log, which tells why a client was refused in the handshake.
            The rules of O(sites[].access_log) hold for it too, with C(-error.log) in place of C(-access.log).
        type: str
      extra_directives:
        description:
          - Lines put at the end of the virtual host as they are. The rehearsal judges what they do, so none can let
            strangers in.
          - They stay in the site's one virtual host. What ends it, opens another, or holds for the whole server
            (C(Listen), C(LoadModule), C(LoadFile), C(ServerRoot), another value of what is defined without them) is
            refused by its line.
        type: str
      template:
        description:
          - Template on the controller to render instead of the role's C(site.conf.j2), found as
            M(ansible.builtin.template) finds it. It is
            handed the same variables. The rehearsal judges what it does.
          - A copy of the role's own needs the files that it includes, C(*.conf.j2), beside it.
          - It may hold more virtual hosts than the site's. A vaulted file is refused, because what it renders to is
            readable by all users of the host, and appears in diffs and in httpd's messages.
        type: path
  judge_only:
    description:
      - Judge wishes and material on the controller and end there. Nothing is sent to the host. The role's first step.
    type: bool
    default: false
  summary:
    description:
      - With O(judge_only), show in C(msg) what was found good, without C(-v) too, a line for each site, or one for all
        if they are more than five. Leave RV(findings) out, unless the task fails.
    type: bool
    default: false
  httpd_binary:
    description:
      - Path on the target to the httpd. Without it, that of the running server, else the one that is found. Set it if a
        host has several.
    type: path
  httpd_config:
    description:
      - Path on the target to httpd's main configuration file. Without it, that of the running server, else the one
        built in. Set it if several servers share one binary.
    type: path
  adopt:
    description:
      - Take over from a manual installation, which left plain files at the reference page's paths, such as
        C(conf/www.example.com.crt). They are kept beside, with C(.before-mtls) added to their names, and put back by
        O(sites[].state=absent). Without it, such files are an error.
    type: bool
    default: false
  only:
    description:
      - Only the sites with these domains are part of this run. The others are neither judged nor touched, so that the
        expired certificate of one does not hold up an urgent change to another.
      - If none of them is among O(sites), nothing is done, so that a fleet's hosts may have different sites.
    type: list
    elements: str
    default: []
  ending_within:
    description:
      - Only the sites with a certificate on the host that ends within this many days, or that are not on the host yet,
        are part of this run. The others are left as they are. Use it for a renewal that must make no other changes.
    type: int
  accept:
    description:
      - Faults of a rehearsal that must not refuse the change, by their codes. Set it if a directory service, a web
        application firewall (WAF) or a map that is asked over the network decides who gets in. A rehearsal cannot reach
        these, so it may see clients refused that the live server lets in.
      - They become warnings, stay in RV(accepted), and hold for all sites of the task.
      - V(locked-out) is a client that is refused and should be let in; V(unclear-admission) one that got an answer
        which does not tell.
      - A server that would not start, and a stranger who gets in, cannot be accepted. Other ways to a site's content
        can be, by O(sites[].allow_bypass).
    type: list
    elements: str
    choices: [locked-out, unclear-admission]
    default: []
  protect_callers:
    description:
      - Refuse a change by which a client that got in within the last 30 days would not get in any more, before anything
        is changed. Without it, such a change is made with a warning.
      - The site's own access log is read for this if O(sites[].allowed_clients), O(sites[].client_ca), O(sites[].crl)
        or O(sites[].verify_depth) changes, or an earlier release comes back. A caller's subject, issuer and serial
        number decide. Where these do not tell, such as for a client CA of the same name with another key, the caller
        counts as let in. A log that cannot be read is a warning.
    type: bool
    default: false
  require_httpd:
    description:
      - Fail where no httpd is found. V(false) returns RV(httpd_found) instead, so that a playbook can install one
        and call again. So a host that has one is reached in one trip.
    type: bool
    default: true
  service_state:
    description:
      - V(started) starts httpd where it does not run, and enables it where a service manager starts it. V(unchanged)
        leaves a stopped
        httpd stopped.
    type: str
    choices: [started, unchanged]
    default: started
  warn_days:
    description:
      - Days before the end of a certificate from which the verdict warns.
    type: int
    default: 30
  keep_releases:
    description:
      - How many releases of a site are kept on the host beside its current one, with their keys, for
        O(sites[].release). From V(1), the one that O(sites[].state=previous) goes back to, to V(100). Those that were
        current last are kept.
      - A new value takes effect with the next change of a site. A run that changes nothing removes none.
    type: int
    default: 3
  metrics_folder:
    description:
      - The absolute path of node_exporter's textfile folder on the host, such as V(/var/lib/prometheus/node-exporter),
        so that Prometheus learns between the runs when certificates end, whether a server stopped asking for client
        certificates, and whether Chat no longer calls.
      - The host then gets a small program with a systemd timer. Every five minutes it connects to the sites as
        strangers do, and writes a file of metrics there. It is installed, repaired and removed with the sites.
      - Without this option, a program that is there stays, writes where it did, and learns of changed sites. An empty
        text removes it.
      - The folder must be there, and nobody but root may change it. Where there is no systemd, the program is put in
        place, and a warning says what cron is to run.
    type: str
seealso:
  - module: mtls.httpd.validate_certificate
  - module: mtls.httpd.handshake_info
  - module: mtls.httpd.server_info
  - module: mtls.httpd.release_info
"""

EXAMPLES = r"""
- name: Serve Chat's webhooks over mutual TLS
  become: true
  mtls.httpd.sites:
    sites:
      - domain: www.example.com
        certificate: files/www.example.com.crt
        chain: files/www.example.com.chain.crt
        private_key: files/www.example.com.key
        client_ca: files/TencentQQAuthCA.crt.zip
        proxy_pass: http://127.0.0.1:8080/

- name: Go back to the release before
  become: true
  mtls.httpd.sites:
    sites:
      - domain: www.example.com
        state: previous

- name: Go back to a release by its name
  become: true
  mtls.httpd.sites:
    sites:
      - domain: www.example.com
        state: previous
        release: 3f9c0a6de1b2c4f7

- name: Take the site away again
  become: true
  mtls.httpd.sites:
    sites:
      - domain: www.example.com
        state: absent
"""

RETURN = r"""
httpd_found:
  description: Whether the host has an httpd. Nothing was done where it has none.
  returned: success
  type: bool
  sample: true
sites:
  description: What became of each site, in the order of the wishes.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The name of the site, in lower case.
      returned: always
      type: str
      sample: www.example.com
    port:
      description: The port that the site is served on.
      returned: always
      type: int
      sample: 443
    listen:
      description: The addresses that the site is served on, none for all.
      returned: always
      type: list
      elements: str
      sample: []
    state:
      description: V(present) or V(absent).
      returned: always
      type: str
      sample: present
    changed:
      description: Whether this site was, or in check mode would be, changed.
      returned: always
      type: bool
      sample: true
    changes:
      description: What changed, or would change, each in a few words; empty where nothing did.
      returned: always
      type: list
      elements: str
      sample: ["certificate 2027-02-26 -> 2027-05-27 (new key)", "may call now: CN=Chat,O=Tencent"]
    answers_now:
      description:
        - For a site that was removed, the subject of the certificate that its name gets at its port now; empty if
          nobody answers there. Null for other sites.
      returned: always
      type: str
      sample: null
    release:
      description: The release that is current, null for a site that is absent.
      returned: always
      type: str
      sample: 3f9c0a6de1b2c4f7
    replaced:
      description:
        - The release that was current before, null where the site was not changed, had none, or had one that was
          damaged.
      returned: always
      type: str
      sample: 81aa57d0c2b94e3f
    certificate_sha256:
      description: SHA-256 fingerprint of the certificate that is served, in lower-case hexadecimal.
      returned: always
      type: str
      sample: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    ends:
      description: When the first of the certificates ends, in UTC, null for a site that is absent.
      returned: always
      type: str
      sample: "2027-01-30T23:59:59Z"
    remote_src:
      description: Whether its material was taken from the host, and judged there alone.
      returned: always
      type: bool
      sample: false
    crl_ends:
      description:
        - When the first of the revocation lists is to be renewed, in UTC, null where there is none. httpd refuses every
          client from then on.
      returned: always
      type: str
      sample: "2026-12-01T00:00:00Z"
    previous:
      description: Whether this release was gone back to (O(sites[].state=previous)).
      returned: always
      type: bool
      sample: false
    pins:
      description: The clients that may call, by subject, name or file of the release; none for all of the client CAs'.
      returned: always
      type: list
      elements: str
      sample: ["CN=Chat,O=Tencent"]
    open_paths:
      description: The paths that need no client certificate.
      returned: always
      type: list
      elements: str
      sample: []
    protected_paths:
      description: The paths that need a client certificate, where the others need none.
      returned: always
      type: list
      elements: str
      sample: []
    versions:
      description:
        - The versions of TLS that it asks httpd for, none where your own virtual host decides.
      returned: always
      type: list
      elements: str
      sample: ["TLSv1.2", "TLSv1.3"]
    mutual_tls:
      description:
        - What was shown by handshakes on the live server. V(absent) for a site that is absent, V(unproven) where httpd
          does not run, and in check mode where httpd would be reloaded.
      returned: always
      type: str
      sample: enforced
    include:
      description:
        - The file that your own virtual host includes, null but for O(sites[].manage=directives).
      returned: always
      type: str
      sample: null
    proxy_protocol:
      description:
        - Whether httpd expects a PROXY header at the first address of the site (C(RemoteIPProxyProtocol)), exceptions
          aside. V(false) where nothing was seen on the live server.
      returned: always
      type: bool
      sample: false
pending:
  description:
    - For each site with O(sites[].manage=directives) that no virtual host includes yet, the line that is missing, and
      where. Its RV(sites[].mutual_tls) is V(unproven).
  returned: success
  type: list
  elements: str
  sample: []
endpoints:
  description:
    - For each site that is served now, what M(mtls.httpd.handshake_info) needs to confirm it from the controller.
    - C(address) is the first of O(sites[].listen) that is no loopback address, else the one at which the host was
      reached (with C(delegate_to), that of the host that the task was delegated to). C(run_on) is V(target) if the host
      was reached by no network address, such as a container by its name, or if the site listens on loopback alone. The
      handshakes are then made on the host itself.
    - C(method) is V(OPTIONS), so that no backend is called. C(path) is the first of O(sites[].protected_paths), else
      V(/). C(status_suffices) is true where clients without a certificate get a status there, and no alert.
    - C(brief) is true for a site that was not changed, if httpd was not reloaded, and C(proxy_protocol) for one that
      expects a PROXY header. C(note) says who may call, what is open, and what was changed.
  returned: success
  type: list
  elements: dict
  sample:
    - server_name: www.example.com
      port: 443
      certificate_sha256: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
      method: OPTIONS
      path: /
      expect: enforced
      status_suffices: false
      brief: false
      note: "May call: CN=Chat,O=Tencent. Changed: certificate 2027-02-26 -> 2027-05-27 (new key)."
      proxy_protocol: false
      address: 192.0.2.10
      run_on: controller
findings:
  description:
    - The verdict on the material, as RV(mtls.httpd.validate_certificate#module:findings), each with its C(domain).
    - Of material that lies on the target (O(sites[].remote_src)), the target's own verdict, with the same codes. Its
      errors are RV(faults) of those codes.
  returned: always
  type: list
  elements: dict
  sample: []
faults:
  description:
    - Why the host was not changed, each reason by itself. The message of the task tells all of them in one line.
    - Decide by RV(faults[].code), which stays the same, and never by words. All codes are in C(docs/messages.md) of the
      collection.
  returned: failure on the host, or where an option is wrong
  type: list
  elements: dict
  contains:
    code:
      description: What kind of fault it is, as one word for programs.
      returned: always
      type: str
      sample: port-taken
    domain:
      description: The site that it is about, empty for the host as a whole.
      returned: always
      type: str
      sample: ""
    message:
      description: What is wrong, and where.
      returned: always
      type: str
      sample: port 8443 is held by process 4711 (haproxy) (0.0.0.0), so httpd could not listen there
    remedy:
      description: What to do.
      returned: always
      type: str
      sample: end it, or choose another port
accepted:
  description: Faults of the rehearsal that O(accept) names, of the same form as RV(faults).
  returned: success
  type: list
  elements: dict
  sample: []
locked_out:
  description:
    - For each site, the clients that got in within the last 30 days and, by this change, would not get in any more, of
      the same form as RV(faults). A change that has some is refused with O(protect_callers).
  returned: success
  type: list
  elements: dict
  sample: []
limits:
  description:
    - What was asked for and this host's httpd or OpenSSL does not have, or cannot do in full. The sites work without
      it.
    - After a change, it also names each backend of a site to which the host cannot connect.
  returned: success
  type: list
  elements: str
  sample: ["http2 is not served: mod_http2 does not work with the MPM prefork"]
broken:
  description:
    - If nothing was to be changed, those files of the server's own that are missing or that OpenSSL does not accept.
      httpd would end at its next reload because of them. If something is changed, the rehearsal finds them instead.
  returned: success
  type: list
  elements: str
  sample: []
left_alone:
  description: The sites that O(ending_within) left out, as they end later.
  returned: success
  type: list
  elements: str
  sample: []
unlisted:
  description:
    - The sites of this collection on the host that neither O(sites) nor C(mutual_tls_sites) of the host names.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The site's name.
      returned: always
      type: str
      sample: chat.example.com
    ends:
      description: When the first of the certificates that it serves ends.
      returned: always
      type: str
      sample: "2027-05-27T10:00:00Z"
unasked_limits:
  description:
    - Those of RV(limits) that no option asks for, such as the newest curves. No warning is made of them.
  returned: success
  type: list
  elements: str
  sample: []
rehearsal:
  description:
    - How the change was rehearsed. V(full) is the whole configuration in private namespaces. V(reduced) is the sites
      alone on loopback, and a check of the files that the live configuration names.
    - V(none) is that nothing was tried. There was nothing to change; or, in check mode, the host has no httpd yet, and
      RV(rehearsal_reason) says so.
  returned: success
  type: str
  sample: full
rehearsal_reason:
  description: Why the rehearsal was not V(full), empty otherwise.
  returned: success
  type: str
  sample: ""
reloaded:
  description: Whether httpd was, or in check mode would be, reloaded or started.
  returned: success
  type: bool
  sample: true
server:
  description: The httpd that was dealt with.
  returned: success
  type: dict
  contains:
    binary:
      description: Path of the binary.
      returned: always
      type: str
      sample: /usr/sbin/apache2
    config:
      description: Path of the main configuration file.
      returned: always
      type: str
      sample: /etc/apache2/apache2.conf
    running:
      description: Whether it runs now.
      returned: always
      type: bool
      sample: true
clock_skew:
  description:
    - Seconds by which the target's clock is surely ahead of the controller's, negative where it is behind. The time
      that the connection takes is not part of it. The certificates' dates are judged by both clocks.
  returned: success
  type: float
  sample: 0.0
healed:
  description:
    - What was found wrong and put right (in check mode, what would be), such as an edited file or the remains of a run
      that was killed.
  returned: success
  type: list
  elements: str
  sample: []
"""
