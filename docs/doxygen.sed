# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# Plain C comments as doxygen wants them: /* before a declaration, /* behind a member, @parameter.
/SPDX-License-Identifier/d
s|^/\*$|/**|
s|^\([[:space:]]*\)/\* |\1/** |
s|^\([[:space:]]*[^[:space:]/*].*[;,{][[:space:]]*\)/\* |\1/**< |
s|@\([a-z_][a-z_0-9]*\)|\\p \1|g
