# Copyright (c) 2026, mtls.httpd contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-test would download, where it cannot: puts pip into its virtual environments, from what Python has."""

import subprocess
import sys

# In processes of their own: ensurepip turns pip's configuration off for the one it runs in.
for command in (["ensurepip"], ["pip", "install", "--quiet", "--disable-pip-version-check", "pip==24.2"]):
    subprocess.check_call([sys.executable, "-m", *command])
