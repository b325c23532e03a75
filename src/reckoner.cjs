#!/usr/bin/env node
'use strict';
require('./with-node.cjs');
