"""Flower's settings, for `stoker flower --config flowerconfig.py`. Every option of Flower may stand here.

What is set here is what holds without this file, too. It is read as Python, and wins over FLOWER_… variables.
"""

# Where it listens. Let others reach it through a reverse proxy with TLS, or give it a certificate of its own below.
address = "127.0.0.1"
port = 5555
# url_prefix = "flower"

# Who may come in: "user:password" each. Left out, the user is stoker, with a password that lies under STOKER_HOME or in
# the file of --password-file. It is never open: an empty list is as good as none. For Google, GitHub, GitLab or Okta
# accounts set auth, auth_provider and the oauth2_… options instead, and keep secrets in FLOWER_… variables.
# basic_auth = ["operator:CHANGE-ME"]

# TLS by Flower itself.
# certfile = "/etc/stoker/flower.pem"
# keyfile = "/etc/stoker/flower.key"

# True: look, but touch nothing. No growing, shrinking, revoking, shutting down, nor sending tasks.
read_only = False

# What it has seen is kept over restarts. Flower by itself writes it down only when it ends; here also every minute (in
# milliseconds), so that a killed one forgets a minute at most. The file is under STOKER_HOME unless db names another.
persistent = True
state_save_interval = 60_000

# How many tasks it remembers, the newest ones. Each save writes all of them, and the page waits meanwhile.
max_tasks = 20_000

# Seconds after which a worker that ended is taken off the list. Its name never comes back, so they would pile up.
purge_offline_workers = 300

# The columns of the list of tasks: what a task is about and how far it is come first; and times in words.
tasks_columns = "name,args,state,result,runtime,worker,received,uuid"
natural_time = True
